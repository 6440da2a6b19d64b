import { pino } from 'pino'
import { linkKeys } from '../../shared/links/token.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import type { Payloads, QueueName, WakeUp } from '../../shared/queues/queues.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { openSmtpTransport } from '../../shared/transport/smtp.ts'
import { cutAudience, type FanOutDeps } from '../../workers/fan-out/cut-audience.ts'
import { openDomainWatch } from '../../workers/mailer/domain-watch.ts'
import { noJournals } from '../../workers/mailer/hand-over-journal.ts'
import { openHeldLeases } from '../../workers/mailer/held-leases.ts'
import { openKeptMailings } from '../../workers/mailer/kept-mailings.ts'
import { openLettersInHand } from '../../workers/mailer/letters-in-hand.ts'
import { openLingering } from '../../workers/mailer/lingering.ts'
import { openPreparedLetters } from '../../workers/mailer/prepared-letters.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { type MailerDeps, sendChunk } from '../../workers/mailer/send-chunk.ts'
import { openSenderAlignment } from '../../workers/mailer/sender-alignment.ts'
import { openUnfitLetters } from '../../workers/mailer/unfit-letters.ts'
import { openWindowSize } from '../../workers/mailer/window-size.ts'
import { type CutDigestsDeps, cutDigests } from '../../workers/scheduler/cut-digests.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { testSecrets } from '../given/secrets.ts'

export type Woken = { [Name in QueueName]: { queue: Name; payload: Payloads[Name] } }[QueueName]

export type Engine = {
  readonly mailer: MailerDeps
  readonly fanOut: FanOutDeps
  readonly woken: Woken[]
  /** Cuts a mailing and sends what is due of it, without a queue between. */
  send(mailing: MailingId): Promise<void>
  /** Finds what is due, as the scheduler does, and sends it. */
  reconcileAndSend(): Promise<void>
  readonly digests: CutDigestsDeps
  /** Cuts the digests due at this instant, as the scheduler does, and sends what is due. */
  cutDigestsAndSend(at: Date): Promise<void>
  close(): Promise<void>
}

export type EngineWishes = {
  readonly chunkSize?: number
  /** Not given: none does. To the watch a machine that keeps us waiting for half a second looks like a domain that does. */
  readonly domainsMayStand?: boolean
}

/** A turn at a chunk up to the end of its last letter, for which the mailer itself does not wait. */
export async function sendWholeChunk(mailer: MailerDeps, payload: Payloads['mail-bulk']): Promise<void> {
  await sendChunk(mailer, payload)
  await mailer.lingering.ended()
}

/** The workers' stages on real parts, with wake-ups kept in a list where the queue would be. */
export function openEngine(pool: Pool, smtpUrl: string, wishes: Partial<MailerDeps> & EngineWishes = {}): Engine {
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' })
  const woken: Woken[] = []
  const wake: Wake = <Name extends QueueName>(queue: Name, wakeUps: readonly WakeUp<Name>[]) => {
    for (const { payload } of wakeUps) woken.push({ queue, payload } as Woken)
  }
  const transport = openSmtpTransport({ url: smtpUrl, connections: 4, clientName: 'pressebud.example', log })
  const leases = openHeldLeases(pool, log)
  const seen = openDomainWatch({ pool, log, now: () => new Date(), connections: 4 })
  const { chunkSize = 500, domainsMayStand = false, ...overrides } = wishes
  const unmoved: typeof seen.of = (address) => ({ ...seen.of(address), stands: () => false })
  const watch = domainsMayStand ? seen : { ...seen, of: unmoved }
  const links = linkKeys(testSecrets)
  const mailer: MailerDeps = {
    pool,
    log,
    wake,
    links,
    mailDomain: 'mail.example',
    now: () => new Date(),
    transport,
    letters: openPreparedLetters(pool, openSenderAlignment(log, 'mail.example')),
    leases,
    journals: noJournals,
    circuit: openRelayCircuit(log),
    watch,
    unfit: openUnfitLetters(log),
    // No test asks the real DNS.
    receivingDomains: { isNowhere: async () => false },
    inHand: openLettersInHand(),
    lingering: openLingering(log),
    kept: openKeptMailings(),
    windowSize: openWindowSize({ least: 20, most: chunkSize }),
    curve: { firstWait: 300, window: 172_800 },
    doubt: 'resend',
    chance: () => 0.5,
    stopping: () => false,
    ...overrides,
  }
  const fanOut: FanOutDeps = {
    pool,
    wake,
    log,
    publicUrl: 'https://press.example',
    mailDomain: 'mail.example',
    chunkSize,
    giveUpAfter: 172_800,
    // However long it takes on a busy machine, a mailing is prepared when this has been waited for.
    slowTries: { take: () => false },
    longestTurn: Number.POSITIVE_INFINITY,
    stopping: () => false,
  }
  const digests: CutDigestsDeps = { ...fanOut, now: () => new Date(), readersAtOnce: 2_000 }
  const work = async () => {
    for (let next = woken.shift(); next; next = woken.shift()) {
      if (next.queue === 'fan-out') await cutAudience(fanOut, next.payload.mailingId)
      if (next.queue === 'mail-bulk') await sendWholeChunk(mailer, next.payload)
    }
  }
  return {
    mailer,
    fanOut,
    woken,
    send: async (mailing) => {
      await cutAudience(fanOut, mailing)
      await work()
    },
    reconcileAndSend: async () => {
      await reconcile({ pool, wake, now: () => new Date(), heardUntil: leases.heardUntil })
      await work()
    },
    digests,
    cutDigestsAndSend: async (at) => {
      await cutDigests({ ...digests, now: () => at })
      await work()
      // A digest is over once its cut is; and what was replaced is dealt anew once its letters are closed.
      await reconcile({ pool, wake, now: () => new Date(), heardUntil: leases.heardUntil })
      await work()
    },
    close: async () => {
      leases.close()
      await watch.close()
      await transport.close()
    },
  }
}
