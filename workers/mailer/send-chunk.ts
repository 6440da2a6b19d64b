import { setTimeout } from 'node:timers/promises'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, doubtAbandoned, recordAttempts, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { type Claimed, claimValidity, type HeldChunk, type Recorded } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import { finishMailings } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { endBounced } from '../../shared/subscription/end-bounced.sql.ts'
import { suppressBounced } from '../../shared/suppression/suppression.sql.ts'
import type { Transport } from '../../shared/transport/transport.ts'
import { type ComposeDeps, composeLetter } from './compose.ts'
import type { HeldLeases } from './held-leases.ts'
import { judgeOutcome } from './judge-outcome.ts'
import type { LettersOf, PreparedLetters } from './prepared-letters.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import type { RetryCurve } from './retry-curve.ts'
import type { WindowSize } from './window-size.ts'

export type MailerDeps = ComposeDeps & {
  readonly pool: Pool
  readonly log: Log
  readonly transport: Transport
  readonly letters: PreparedLetters
  readonly leases: HeldLeases
  readonly circuit: RelayCircuit
  readonly windowSize: WindowSize
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
  const { chunk, fresh } = lease
  const letGo = deps.leases.hold(chunk)
  try {
    const rest = deps.circuit.rest()
    const trouble = rest > 0 ? rest : await sendWindows(deps, chunk, fresh)
    const state = await closeChunk(deps.pool, chunk, trouble)
    if (state === 'done') await finishMailings(deps.pool, mailingId)
  } finally {
    letGo()
  }
}

/** Returns how long the chunk should rest, in seconds: 0 unless the mail host could not be used. */
async function sendWindows(deps: MailerDeps, chunk: HeldChunk, fresh: boolean): Promise<number> {
  const letters = await deps.letters.of(chunk.mailingId)
  if (!fresh) {
    const doubted = await doubtAbandoned(deps.pool, chunk, deps.doubt)
    if (doubted > 0)
      deps.log.warn({ mailing: chunk.mailingId, chunk: chunk.n, doubted }, 'letters in doubt after a worker ended')
  }
  // A claim is young or old by this clock, read before the statement leaves, so never later than the database's.
  let claimedAt = performance.now()
  let window = await (fresh ? writeDeliveries : claimDeliveries)(deps.pool, chunk, deps.windowSize.now())
  while (window.length > 0) {
    await handOver(deps, chunk, letters, window, claimedAt + claimValidity)
    if (deps.stopping()) return 0
    if (deps.circuit.rest() > 0) return deps.circuit.rest()
    claimedAt = performance.now()
    window = await claimDeliveries(deps.pool, chunk, deps.windowSize.now())
  }
  return 0
}

/** Outcomes recorded at once: enough that the statement's cost is shared, few enough that a crash leaves little unsaid. */
const recordAtOnce = 250

async function handOver(
  deps: MailerDeps,
  chunk: HeldChunk,
  letters: LettersOf,
  window: readonly Claimed[],
  beginBefore: number,
): Promise<void> {
  const started = performance.now()
  const mayStart = () => performance.now() < beginBefore && !deps.stopping() && deps.circuit.rest() === 0
  let batch: Recorded[] = []
  const recorded: Promise<void>[] = []
  let accepted = 0
  await Promise.all(
    window.map(async (claimed) => {
      const outcome = await deps.transport.send(composeLetter(deps, letters, chunk.mailingId, claimed, mayStart))
      const { relay, ...verdict } = judgeOutcome(outcome, {
        attempt: claimed.attempt,
        curve: deps.curve,
        doubt: deps.doubt,
        chance: deps.chance(),
      })
      if (relay !== undefined) deps.circuit.tellTrouble(relay)
      else if (outcome.kind === 'accepted') {
        accepted += 1
        deps.circuit.tellSuccess()
      }
      batch.push({ subscriptionId: claimed.subscriptionId, ...verdict })
      if (batch.length >= recordAtOnce) {
        recorded.push(record(deps, chunk, batch))
        batch = []
      }
    }),
  )
  if (batch.length > 0) recorded.push(record(deps, chunk, batch))
  await Promise.all(recorded)
  deps.windowSize.tell(accepted, performance.now() - started)
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
