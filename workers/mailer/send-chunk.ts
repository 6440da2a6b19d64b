import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { closeChunk, leaseAnew, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { claimValidity, type HeldChunk } from '../../shared/delivery/delivery.ts'
import { putBackClaims, unheardClaims } from '../../shared/delivery/record-attempts.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { finishMailings } from '../../shared/mailing/mailing.sql.ts'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import { chunkJob } from '../../shared/queues/jobs.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { type HandOverDeps, handOver, type Turn } from './hand-over.ts'
import type { HandOverJournals } from './hand-over-journal.ts'
import type { HeldLeases } from './held-leases.ts'
import type { Lingering } from './lingering.ts'
import type { PreparedLetters } from './prepared-letters.ts'
import { type RecordDeps, settleAbandoned } from './record-outcomes.ts'
import type { WindowSize } from './window-size.ts'

export type MailerDeps = HandOverDeps &
  RecordDeps & {
    readonly log: Log
    readonly wake: Wake
    readonly letters: PreparedLetters
    readonly leases: HeldLeases
    readonly journals: HandOverJournals
    readonly windowSize: WindowSize
    readonly lingering: Lingering
  }

/**
 * Sends one chunk: writes its deliveries, then window by window claims or closes, hands over, judges and records.
 * Run twice, or after a crash anywhere, it does only what is due again.
 */
export async function sendChunk(
  deps: MailerDeps,
  { mailingId, chunk: n, abandoned }: Payloads['mail-bulk'],
): Promise<void> {
  if (deps.stopping()) return
  const askedAt = performance.now()
  const taken = await leaseChunk(deps.pool, { mailingId, n }, abandoned ?? null)
  if (taken === null) return
  const { chunk } = taken
  const turn = { chunk, lease: deps.leases.hold(chunk, askedAt), journal: deps.journals.open(chunk), heard: [] }
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
    const rest = await outlast(deps, turn, windows, slow)
    await letGoOf(deps, chunk, rest)
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

/**
 * Waits for the letters that keep the mail host, for minutes perhaps. Nobody else may have the chunk meanwhile, so what is due in it
 * later is sent from here, too: when a pause is over, the mail host takes letters again, or the database is back. What a claim
 * took whose answer was lost is in nobody's hands, and due again. Returns what the last windows did; a fault of any of them comes at
 * the end.
 */
async function outlast(deps: MailerDeps, turn: Turn, windows: Promise<number>, slow: Promise<void>[]): Promise<number> {
  let fault: { error: unknown } | null = null
  let rest = 0
  for (let last = windows, look = 1; ; look = Math.min(2 * look, longestLook)) {
    try {
      rest = await last
    } catch (error) {
      fault ??= { error }
    }
    if (slow.length === 0) break
    let isOver = false
    const over = Promise.all(slow).then(() => {
      isOver = true
      return isOver
    })
    if (await Promise.race([over, setTimeout(1_000 * Math.max(rest, look), false, unref)])) break
    const hasFault = fault !== null
    const before = rest
    let isAtIt = false
    const sent = deps.lingering.oneByOne(async () => {
      if (isOver || deps.stopping() || !turn.lease.runs()) return before
      isAtIt = true
      if (hasFault) await putBack(deps, turn)
      return sendWindows(deps, turn, slow)
    })
    // Where others are at it for long, a chunk of which nothing is under way any more is given back without its turn.
    last = Promise.race([sent, over.then(() => (isAtIt ? sent : before))])
  }
  if (fault !== null) throw fault.error
  return rest
}

async function putBack({ pool }: MailerDeps, { chunk, heard }: Turn): Promise<void> {
  const unheard = await unheardClaims(pool, chunk, heard)
  if (unheard.length > 0) await putBackClaims(pool, chunk, unheard)
}

/** Seconds. */
const longestLook = 5
const unref = { ref: false }

/** Seconds a chunk rests after a fault of ours, such as a database that went away in the middle. */
const restAfterFault = 2
/** Tries with the database there: what keeps failing is left to whoever takes the chunk over, and keeps no other from its turn. */
const mostTriesInVain = 20

/**
 * The lease is given back with the fault, so that a passing one costs seconds and not a lapsed lease: tried for as long as the
 * database is away, because until it has been heard for a while nobody takes over what has lapsed.
 *
 * A claim whose answer was lost is a claim all the same. That its letters never began only this process's journal tells, which who
 * has the chunk next may be unable to read: to them all would be in doubt. So what it left behind it settles itself.
 */
async function giveBack(deps: MailerDeps, chunk: HeldChunk): Promise<void> {
  // No other lease is likely to come to it by counting on.
  const held = { ...chunk, fence: String(BigInt(chunk.fence) + BigInt(randomInt(2, 2 ** 32))) }
  // Renewed as well, from before it is there: a connection that falls silent in the middle is waited for longer than it would last.
  const lease = deps.leases.hold(held, performance.now())
  try {
    for (let inVain = 0; inVain < mostTriesInVain; ) {
      try {
        if (!(await leaseAnew(deps.pool, chunk, held.fence))) return
        await settleAbandoned(deps, held)
        const closed = await closeChunk(deps.pool, held, restAfterFault, false)
        // Where it was lost in between, what looked like nothing to settle may be another's to settle, by this.
        if (closed !== null) deps.journals.forget(chunk)
        return
      } catch (error) {
        // Also while the process is to end: who has the chunk next may know less than this one.
        if (!isDatabaseAway(error)) inVain += 1
        await setTimeout(500)
      }
    }
  } finally {
    lease.letGo()
  }
}

async function letGoOf(deps: MailerDeps, chunk: HeldChunk, rest: number): Promise<void> {
  const closed = await closeChunk(deps.pool, chunk, rest)
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
  if (deps.circuit.rest() > 0) return deps.circuit.rest()
  const letters = await deps.letters.of(chunk.mailingId)
  const began = performance.now()
  for (let claim = first; ; claim = claimDeliveries) {
    const most = deps.windowSize.now()
    // A claim is young or old by this clock, read before the statement leaves, so never later than the database's.
    const askedAt = performance.now()
    const window = await claim(deps.pool, chunk, { most, window: deps.curve.window })
    if (window.claimedAt === null) return 0
    turn.heard.push(window.claimedAt)
    const handed = await handOver(deps, turn, letters, window, askedAt + claimValidity)
    if (handed.rest !== null) slow.push(handed.rest)
    deps.windowSize.tell(handed.accepted, window.letters.length, handed.ms)
    if (handed.answered === 0 && handed.ms > claimValidity / 2) deps.circuit.tellSilence()
    // Nothing goes at all: taking up chunk after chunk would only put off one after another.
    if (handed.stood > 0 && deps.watch.quietFor() > restOfAll) await setTimeout(restOfAll)
    // Others may be taken while one is not: what the host will not have is not to be offered again and again meanwhile.
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
