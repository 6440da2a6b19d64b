import { setTimeout } from 'node:timers/promises'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { type Claimed, claimValidity, type HeldChunk, type Recorded } from '../../shared/delivery/delivery.ts'
import { doubtAbandoned, recordAttempts } from '../../shared/delivery/record-attempts.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { finishMailings } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { chunkJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { endBounced } from '../../shared/subscription/end-bounced.sql.ts'
import { suppressBounced } from '../../shared/suppression/suppression.sql.ts'
import { type Compose, type ComposeDeps, composeFor } from './compose.ts'
import type { DomainWatch } from './domain-watch.ts'
import type { HeldLeases } from './held-leases.ts'
import { judgeOutcome, judgePoison, type Verdict } from './judge-outcome.ts'
import type { LettersOf, PreparedLetters } from './prepared-letters.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import type { RetryCurve } from './retry-curve.ts'
import type { Composed, LetterTransport } from './signing-transport.ts'
import type { WindowSize } from './window-size.ts'

export type MailerDeps = ComposeDeps & {
  readonly pool: Pool
  readonly log: Log
  readonly wake: Wake
  readonly transport: LetterTransport
  readonly letters: PreparedLetters
  readonly leases: HeldLeases
  readonly circuit: RelayCircuit
  readonly windowSize: WindowSize
  readonly watch: DomainWatch
  readonly curve: RetryCurve
  readonly doubt: 'resend' | 'hold'
  readonly chance: () => number
  /** True once the process is to stop: what is begun is finished, nothing more is claimed. */
  readonly stopping: () => boolean
}

/**
 * Sends one chunk: writes its deliveries, then window by window claims or closes, hands over, judges and records.
 * Run twice, or after a crash anywhere, it does only what is due again.
 */
export async function sendChunk(deps: MailerDeps, mailingId: MailingId, n: number): Promise<void> {
  if (deps.stopping()) return
  const lease = await leaseChunk(deps.pool, { mailingId, n })
  if (lease === null) return
  const letGo = deps.leases.hold(lease.chunk)
  try {
    await letGoOf(deps, lease.chunk, await sendWindows(deps, lease.chunk, lease.fresh))
  } catch (error) {
    // The lease is given back with the fault, so that a passing one costs seconds and not a lapsed lease.
    await closeChunk(deps.pool, lease.chunk, restAfterFault).catch(() => undefined)
    throw error
  } finally {
    letGo()
  }
}

/** Seconds a chunk rests after a fault of ours, such as a database that went away in the middle. */
const restAfterFault = 2

async function letGoOf(deps: MailerDeps, chunk: HeldChunk, rest: number): Promise<void> {
  const closed = await closeChunk(deps.pool, chunk, rest)
  if (closed === null) return
  if (closed.isDue && closed.state === 'open') deps.wake('mail-bulk', [chunkJob(closed.next)])
  // Two last chunks closed at the same moment each still see the other: asking for some time before the end finds it.
  if (closed.state === 'done' && closed.others < 20) await finishMailings(deps.pool, chunk.mailingId)
}

/**
 * How long one turn may last, in milliseconds. A chunk that is slow goes back to the queue at its rank, so that a small
 * mailing accepted meanwhile waits a second and not for the end of somebody else's five hundred letters.
 */
const turn = 1_000

/** Returns how long the chunk should rest, in seconds: 0 unless the mail host could not be used. */
async function sendWindows(deps: MailerDeps, chunk: HeldChunk, fresh: boolean): Promise<number> {
  if (deps.circuit.rest() > 0) return deps.circuit.rest()
  const letters = await deps.letters.of(chunk.mailingId)
  if (!fresh) {
    const doubted = await doubtAbandoned(deps.pool, chunk, deps.doubt)
    if (doubted > 0)
      deps.log.warn({ mailing: chunk.mailingId, chunk: chunk.n, doubted }, 'letters in doubt after a worker ended')
  }
  const began = performance.now()
  for (let claim = fresh ? writeDeliveries : claimDeliveries; ; claim = claimDeliveries) {
    const most = deps.windowSize.now()
    // A claim is young or old by this clock, read before the statement leaves, so never later than the database's.
    const claimedAt = performance.now()
    const window = await claim(deps.pool, chunk, { most, window: deps.curve.window })
    if (window.length === 0) return 0
    const { putBack } = await handOver(deps, chunk, letters, window, claimedAt + claimValidity)
    if (deps.circuit.rest() > 0) return deps.circuit.rest()
    // Less than was asked for and nothing put back: nothing more is due, and asking would only say so.
    if (window.length < most && putBack === 0) return 0
    if (deps.stopping() || performance.now() - began > turn) return 0
  }
}

/** Outcomes recorded at once: enough that the statement's cost is shared, few enough that a crash leaves little unsaid. */
const recordAtOnce = 250

async function handOver(
  deps: MailerDeps,
  chunk: HeldChunk,
  letters: LettersOf,
  window: readonly Claimed[],
  beginBefore: number,
): Promise<{ putBack: number }> {
  const started = performance.now()
  const mayStart = () => performance.now() < beginBefore && !deps.stopping() && deps.circuit.rest() === 0
  const compose = composeFor(deps, letters, chunk.mailingId, mayStart)
  let batch: Recorded[] = []
  const recorded: Promise<void>[] = []
  const tally = { accepted: 0, putBack: 0 }
  await Promise.all(
    window.map(async (claimed) => {
      const { relay, blocked: _, ...verdict } = await attempt(deps, compose, claimed)
      if (relay !== undefined) deps.circuit.tellTrouble(relay)
      if (!verdict.begun) tally.putBack += 1
      if (verdict.state === 'sent') {
        tally.accepted += 1
        deps.circuit.tellSuccess()
      }
      batch.push({ subscriptionId: claimed.subscriptionId, ...verdict })
      if (batch.length >= recordAtOnce) {
        recorded.push(record(deps, chunk, batch))
        batch = []
      }
    }),
  )
  // The host's speed alone: were our own bookkeeping counted in, a busy database would shrink the windows, and small
  // windows make it busier still.
  deps.windowSize.tell(tally.accepted, performance.now() - started)
  if (batch.length > 0) recorded.push(record(deps, chunk, batch))
  await Promise.all(recorded)
  return tally
}

/** One reader whose letter cannot be made must not hold up the others: that delivery fails, with the reason. */
async function attempt(deps: MailerDeps, compose: Compose, claimed: Claimed): Promise<Verdict> {
  let letter: Composed
  try {
    letter = compose(claimed)
  } catch (err) {
    deps.log.error({ err, subscription: claimed.subscriptionId }, 'a letter could not be made')
    return judgePoison(err)
  }
  const begun = { at: 0 }
  const { mayStart } = letter
  const outcome = await deps.transport.send({
    ...letter,
    mayStart: () => {
      begun.at = performance.now()
      return mayStart()
    },
  })
  const given = { attempt: claimed.attempt, curve: deps.curve, doubt: deps.doubt, chance: deps.chance() }
  const verdict = judgeOutcome(outcome, given)
  if (outcome.kind === 'accepted' || outcome.kind === 'refused')
    deps.watch.see({ address: claimed.address, ms: performance.now() - begun.at, blocked: verdict.blocked ?? null })
  return verdict
}

/**
 * What a mail host accepted must not be forgotten because the database is away for a moment: the batch is kept and
 * offered again until it is recorded. Rows a later lease has taken over are left to it.
 */
async function record(deps: MailerDeps, chunk: HeldChunk, batch: readonly Recorded[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await recordOnce(deps.pool, chunk, batch)
    } catch (err) {
      deps.log.warn(
        { err, mailing: chunk.mailingId, chunk: chunk.n, letters: batch.length, tries },
        'could not record; trying again',
      )
      await setTimeout(Math.min(100 * tries, 1_000))
    }
  }
}

async function recordOnce(pool: Pool, chunk: HeldChunk, batch: readonly Recorded[]): Promise<void> {
  const gone = batch.filter((row) => row.state === 'bounced').map((row) => row.subscriptionId)
  if (gone.length === 0) return recordAttempts(pool, chunk, batch)
  await inTransaction(pool, async (tx) => {
    await recordAttempts(tx, chunk, batch)
    await suppressBounced(tx, gone)
    await endBounced(tx, gone)
  })
}
