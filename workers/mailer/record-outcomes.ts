import { setTimeout } from 'node:timers/promises'
import type { HeldChunk, Recorded } from '../../shared/delivery/delivery.ts'
import { type Abandoned, adoptAbandoned, recordAttempts } from '../../shared/delivery/record-attempts.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Db, Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { endBounced } from '../../shared/subscription/end-bounced.sql.ts'
import { suppressBounced } from '../../shared/suppression/suppression.sql.ts'
import type { HandOverJournals, Told } from './hand-over-journal.ts'
import { type JudgeDeps, judgeAbandoned } from './judge-outcome.ts'

export type RecordDeps = { readonly pool: Pool; readonly log: Log }
export type SettleDeps = RecordDeps & JudgeDeps & { readonly journals: HandOverJournals }

/**
 * What a mail host accepted must not be forgotten because the database is away for a moment: the batch is kept and
 * offered again until it is recorded. Rows a later lease has taken over are left to it.
 */
export async function recordOutcomes(
  deps: RecordDeps,
  chunk: HeldChunk,
  batch: readonly Recorded[],
  claimedAt: string | null,
): Promise<void> {
  const about = { mailing: chunk.mailingId, chunk: chunk.n, letters: batch.length }
  await untilRecorded(deps.log, about, () => recordOnce(deps.pool, chunk, batch, claimedAt))
}

/** Offers it again and again, until it is recorded. */
export async function untilRecorded(log: Log, about: object, record: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await record()
    } catch (err) {
      warnSeldom(log, { err, ...about, tries }, 'could not record; trying again')
      await setTimeout(Math.min(100 * tries, 1_000))
    }
  }
}

/** A batch without a bounce is one statement, and no transaction around it. */
const recordOnce = (
  pool: Pool,
  chunk: HeldChunk,
  batch: readonly Recorded[],
  claimedAt: string | null,
): Promise<void> =>
  batch.some(({ state }) => state === 'bounced')
    ? inTransaction(pool, (tx) => recordWithBounces(tx, chunk, batch, claimedAt))
    : recordAttempts(pool, chunk, batch, claimedAt)

async function recordWithBounces(
  tx: Db,
  chunk: HeldChunk,
  batch: readonly Recorded[],
  claimedAt: string | null,
): Promise<void> {
  const gone = batch.filter(({ state }) => state === 'bounced').map(({ subscriptionId }) => subscriptionId)
  if (gone.length > 0) {
    await suppressBounced(tx, gone)
    await endBounced(tx, gone)
  }
  // Last, because it keeps the chunk's row, for which claims of this chunk and renewals of its lease wait.
  await recordAttempts(tx, chunk, batch, claimedAt)
}

/**
 * Settles what an earlier holder of the chunk left claimed, by what its journal tells: a reply is recorded, a letter
 * whose dot never left is due again as if it had not been begun, and the few between are in doubt. Without a journal to
 * be believed, from another machine or from before a crash of this one, all of them are.
 */
export async function settleAbandoned(deps: SettleDeps, chunk: HeldChunk): Promise<void> {
  const { log, journals, curve, doubt } = deps
  const fences = await inTransaction(deps.pool, async (tx) => {
    const abandoned = await adoptAbandoned(tx, chunk)
    if (abandoned === null) return []
    // An earlier turn that ended in a fault may have left its journal, and nothing to be told by it.
    if (abandoned.length === 0) return [String(BigInt(chunk.fence) - 1n)]
    const told = tellingsOf(journals, chunk, abandoned)
    const batch = abandoned.map((letter) =>
      judgeAbandoned(letter, told(letter), { attempt: letter.attempt, curve, doubt, chance: deps.chance() }),
    )
    await recordWithBounces(tx, chunk, batch, null)
    const doubted = batch.filter(({ trouble }) => trouble?.verdict === 'in_doubt').length
    const about = { mailing: chunk.mailingId, chunk: chunk.n, letters: batch.length, doubted }
    log.warn(about, 'letters that a worker left behind are settled')
    return new Set(abandoned.map(({ fence }) => fence))
  })
  for (const fence of fences) journals.forget({ ...chunk, fence })
}

/** What is known of each abandoned letter; undefined: nothing, so that it may have been handed over. */
function tellingsOf(journals: HandOverJournals, chunk: HeldChunk, abandoned: readonly Abandoned[]) {
  const fences = [...new Set(abandoned.map(({ fence }) => fence))]
  const byFence = new Map(fences.map((fence) => [fence, journals.read({ ...chunk, fence })]))
  return (letter: Abandoned): Told | 'unbegun' => {
    const journal = byFence.get(letter.fence)
    return journal ? (journal(letter) ?? 'unbegun') : 'dot'
  }
}
