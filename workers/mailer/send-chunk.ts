import { setTimeout } from 'node:timers/promises'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { claimValidity } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import { finishMailings } from '../../shared/mailing/mailing.sql.ts'
import { isKeptByAnother } from '../../shared/postgres/database-away.ts'
import { chunkJob } from '../../shared/queues/jobs.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { giveBack } from './give-back.ts'
import { type HandOverDeps, handOver, type Turn } from './hand-over.ts'
import type { HeldLeases } from './held-leases.ts'
import type { KeptMailings } from './kept-mailings.ts'
import type { Lingering } from './lingering.ts'
import { outlast } from './outlast.ts'
import type { PreparedLetters } from './prepared-letters.ts'
import { type SettleDeps, settleAbandoned } from './record-outcomes.ts'
import type { WindowSize } from './window-size.ts'

export type MailerDeps = HandOverDeps &
  SettleDeps & {
    readonly log: Log
    readonly wake: Wake
    readonly letters: PreparedLetters
    readonly leases: HeldLeases
    readonly windowSize: WindowSize
    readonly lingering: Lingering
    readonly kept: KeptMailings
  }

/**
 * Sends one chunk: writes its deliveries, then window by window claims or closes, hands over, judges and records.
 * Run twice, or after a crash anywhere, it does only what is due again.
 */
export async function sendChunk(
  deps: MailerDeps,
  { mailingId, chunk: n, abandoned }: Payloads['mail-bulk'],
): Promise<void> {
  // Its chunk stays due, and is woken again.
  if (deps.stopping() || deps.kept.isKept(mailingId)) return
  const askedAt = performance.now()
  const taken = await leaseChunk(deps.pool, { mailingId, n }, abandoned ?? null)
  if (taken === null) return
  const { chunk } = taken
  const turn = {
    chunk,
    lease: deps.leases.hold(chunk, askedAt),
    journal: deps.journals.open(chunk),
    heard: [],
    wasInVain: false,
  }
  const slow: Promise<void>[] = []
  const windows = taken.fresh ? sendWindows(deps, turn, slow, writeDeliveries) : settleAndSend(deps, turn, slow)
  const ended = endTurn(deps, turn, windows, slow)
  // Whoever waits for it below hears of its fault.
  ended.catch(() => undefined)
  await windows.catch(() => undefined)
  if (slow.length === 0) await ended
  else deps.lingering.add(ended)
}

/** Gives the chunk back once its windows are through and the last letter under way has come to an end. */
async function endTurn(deps: MailerDeps, turn: Turn, windows: Promise<number>, slow: Promise<void>[]): Promise<void> {
  const { chunk, lease, journal } = turn
  try {
    const rest = await outlast(deps, turn, windows, slow, () => sendWindows(deps, turn, slow))
    await letGoOf(deps, turn, rest)
    journal.close()
  } catch (error) {
    await Promise.all(slow)
    journal.leave()
    await giveBack(deps, chunk)
    throw error
  } finally {
    lease.letGo()
  }
}

async function letGoOf(deps: MailerDeps, { chunk, wasInVain }: Turn, rest: number): Promise<void> {
  // In vain it was taken up where nothing could be claimed, and the desk is to tell since when.
  const closed = await closeChunk(deps.pool, chunk, rest, !wasInVain)
  if (closed === null) return
  if (closed.isDue && closed.state === 'open') deps.wake('mail-bulk', [chunkJob(closed.next)])
  // Two last chunks closed at the same moment each still see the other: asking for some time before the end finds it.
  if (closed.state === 'done' && closed.others < 20) await finishMailings(deps.pool, chunk.mailingId)
}

/**
 * How long one turn may last, in milliseconds. A chunk that is slow goes back to the queue at its rank, so that a small
 * mailing accepted meanwhile waits a second and not for the end of somebody else's thousand letters.
 */
const longestTurn = 1_000
/** Milliseconds. */
const restOfAll = 500
/** Seconds. */
const restAfterTrouble = 2
/** Seconds. */
const restAfterNothing = 1

/** What a claim that was given up for somebody else's lock comes to: nothing was claimed, and the chunk has its turn later. */
function unlessKept(error: unknown): { keptOf: 'mailing' | 'reader' } {
  if (!isKeptByAnother(error)) throw error
  // PostgreSQL says for a row of which table it waited, and nothing where it did for who waits for the mailing's claims.
  const { where = '' } = error as { where?: string }
  return { keptOf: where === '' || where.includes('relation "mailings"') ? 'mailing' : 'reader' }
}

/** It takes letters, and is left alone for a second at a time: put off by so little, one chunk after another would wait for the next round. */
async function untilNotThrottled({ circuit, stopping }: MailerDeps): Promise<void> {
  while (circuit.throttledFor() > 0 && !stopping()) await setTimeout(Math.min(100, circuit.throttledFor() * 1000))
}

async function settleAndSend(deps: MailerDeps, turn: Turn, slow: Promise<void>[]): Promise<number> {
  // Also where the mail host is away: until it is settled, an earlier holder may write down outcomes that no chunk counts.
  await settleAbandoned(deps, turn.chunk)
  return sendWindows(deps, turn, slow)
}

/**
 * Returns how long the chunk should rest, in seconds: 0 unless the mail host could not be used. `slow`: where it puts what
 * must come to its end before the chunk is given back.
 */
async function sendWindows(
  deps: MailerDeps,
  turn: Turn,
  slow: Promise<void>[],
  first = claimDeliveries,
): Promise<number> {
  const { chunk } = turn
  await untilNotThrottled(deps)
  if (deps.circuit.rest() > 0) return deps.circuit.rest()
  const letters = await deps.letters.of(chunk.mailingId)
  const began = performance.now()
  for (let claim = first; ; claim = claimDeliveries) {
    const most = deps.windowSize.now()
    // A claim is young or old by this clock, read before the statement leaves, so never later than the database's.
    const askedAt = performance.now()
    const window = await claim(deps.pool, chunk, { most, window: deps.curve.window }).catch(unlessKept)
    const isLate = performance.now() - askedAt >= claimValidity
    turn.wasInVain = 'keptOf' in window
    if ('keptOf' in window) {
      if (window.keptOf === 'mailing') deps.kept.tell(chunk.mailingId)
      warnSeldom(deps.log, { mailing: chunk.mailingId }, 'letters wait for what somebody keeps locked')
      return restAfterNothing
    }
    if (window.claimedAt === null) return 0
    turn.heard.push(window.claimedAt)
    const handed = await handOver(deps, turn, letters, window, askedAt + claimValidity)
    if (handed.rest !== null) slow.push(handed.rest)
    // All of it is put back. Asked for again at once, the same would go on for ever, and nothing would tell of it.
    if (isLate) {
      deps.windowSize.tellLate()
      turn.wasInVain = true
      warnSeldom(deps.log, { mailing: chunk.mailingId }, 'the database answers too late for letters to begin')
      return restAfterNothing
    }
    deps.windowSize.tell(handed.accepted, window.letters.length, handed.ms)
    if (handed.answered === 0 && handed.ms > claimValidity / 2) deps.circuit.tellSilence()
    // Nothing goes at all: taking up chunk after chunk would only put off one after another.
    if (handed.stood > 0 && deps.watch.quietFor() > restOfAll) await setTimeout(restOfAll)
    // Others may be taken while one is not: what the host will not have is not to be offered again and again meanwhile.
    await untilNotThrottled(deps)
    if (handed.spared > 0) return Math.max(restAfterTrouble, deps.circuit.rest())
    if (deps.circuit.rest() > 0) return deps.circuit.rest()
    // A host that takes connections and says nothing is no trouble yet; claiming and putting back would be all that is done.
    const hasWaited = handed.putBack === window.letters.length && handed.ms > claimValidity / 2
    if (hasWaited && slow.length === 0) return restAfterNothing
    // Less than was asked for and nothing put back: nothing more is due, and asking would only say so.
    if (window.letters.length < most && handed.putBack === 0) return 0
    // With a letter that is waited for the chunk cannot be given back, and nobody else would send the rest of it meanwhile.
    const mustEnd = slow.length === 0 || handed.putBack + handed.stood >= window.letters.length
    if (deps.stopping() || (mustEnd && performance.now() - began > longestTurn)) return 0
  }
}
