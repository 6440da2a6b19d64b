import { isAligned } from '../../shared/dkim/alignment.ts'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { signLetter } from '../../shared/dkim/sign-letter.ts'
import { planOf } from '../../shared/dkim/signing-plan.ts'
import type { PreparedLetter, ReaderSlots } from '../../shared/letter/letter.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Letter, LetterRow, Outcome, Outgoing, Transport } from '../../shared/transport/transport.ts'
import { openTurns } from '../../shared/turns.ts'

/** A letter that can still be signed: its bytes, and what they were filled from. */
export type Composed = Letter & { readonly prepared: PreparedLetter; readonly reader: ReaderSlots }

/** Such letters in a row. `mayStart` holds for all of them: one that has been signed meanwhile is asked again. */
export type ComposedRow = Omit<LetterRow, 'open'> & { open(place: number): Composed | null; mayStart(): boolean }

/** What the mailer sends by; a plain transport will do where letters are not signed. */
export type LetterTransport = {
  send(letter: Composed & Outgoing): Promise<Outcome>
  sendRow(row: ComposedRow): Promise<void>
  close(): Promise<void>
}

type Deps = { readonly transport: Transport; readonly log: Log; readonly now: () => Date }

/**
 * Signs each letter on its way to the transport. A signature costs more than everything else done for a letter, so it
 * is made late: `most` letters are under way at once, being signed or with the transport, and a letter whose claim has
 * run out when its turn comes is not signed at all.
 */
export function openSigningTransport(deps: Deps, identity: DkimIdentity, most: number): LetterTransport {
  const turns = openTurns(most)
  const known = new Set<string>()

  function checkSender({ fromDomain }: { fromDomain: string }): void {
    if (known.has(fromDomain)) return
    known.add(fromDomain)
    if (!isAligned(fromDomain, identity.domain))
      deps.log.warn(
        { from: fromDomain, signer: identity.domain },
        'letters from this domain are signed by another, which DMARC does not count',
      )
  }

  /** `open`: makes the letter when its turn has come, if it may start then. */
  async function sendInTurn(open: () => Composed | null, mayStart: () => boolean, until?: number): Promise<Outcome> {
    await turns.take()
    try {
      const letter = open()
      if (letter === null) return notStarted
      const { prepared, reader, parts } = letter
      checkSender(planOf(prepared))
      const signature = await signLetter(identity, prepared, reader, deps.now())
      return await deps.transport.send({ ...letter, parts: [signature, ...parts], mayStart, until })
    } catch (err) {
      // Nobody's letter is at fault, and the next one would fare no better: the mailer rests, as when the host is away.
      deps.log.error({ err }, 'a letter could not be signed')
      return { kind: 'unreachable', phase: 'connect', detail: 'the letter could not be signed' }
    } finally {
      turns.giveBack()
    }
  }

  return {
    send: (letter) => sendInTurn(() => (letter.mayStart() ? letter : null), letter.mayStart, letter.until),
    // No more are begun than can be under way: a thousand that wait for their turn grow old, and old ones are dear to collect.
    async sendRow({ length, open, mayStart, settle, until }) {
      let next = 0
      const sendOneAfterAnother = async () => {
        while (next < length) {
          const place = next
          next += 1
          settle(place, await sendInTurn(() => open(place), mayStart, until))
        }
      }
      await Promise.all(Array.from({ length: Math.min(length, most) }, sendOneAfterAnother))
    },
    close: deps.transport.close,
  }
}

const notStarted: Outcome = { kind: 'not-started' }

/** How many letters to have under way for so many connections: two on each, and enough being signed to feed them. */
export const underWay = (connections: number) => 2 * connections + 32
