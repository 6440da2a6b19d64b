import { dueChunks } from '../../shared/delivery/chunk.sql.ts'
import { finishMailings, liftDueEmbargoes, uncutMailings } from '../../shared/mailing/mailing.sql.ts'
import { dueNotices } from '../../shared/notice/notice-claims.sql.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { chunkJob, fanOutJob, noticeJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { removeVanishedWorkers } from '../../shared/worker/worker.sql.ts'
import { vanishedAfter } from '../../shared/worker/worker.ts'

export type ReconcileDeps = {
  readonly pool: Pool
  readonly wake: Wake
  readonly now: () => Date
  /** Up to which hour whoever holds a chunk could have renewed its lease; null: not known. */
  readonly heardUntil: () => Promise<number | null>
}

/**
 * Chunks woken in one round. Those already queued are no-ops, so this bounds what a round costs; after a queue has been
 * lost, 400 chunks of 1,000 letters in five seconds are still more than the mailer can send.
 */
const chunksAtOnce = 400
const noticesAtOnce = 500

/**
 * The rows are the promise, jobs are hints: finds all work that is due and in nobody's hands, and wakes it again. It
 * is also how work begins whose hour has come: an embargo, a retry.
 */
export async function reconcile(deps: ReconcileDeps): Promise<void> {
  await liftDueEmbargoes(deps.pool)
  const heardUntil = await deps.heardUntil()
  const [mailings, chunks, notices] = await Promise.all([
    uncutMailings(deps.pool),
    dueChunks(deps.pool, chunksAtOnce, heardUntil),
    dueNotices(deps.pool, noticesAtOnce),
    finishMailings(deps.pool, null),
    removeVanishedWorkers(deps.pool, vanishedAfter),
  ])
  // Each round's has a name of its own: one whose worker was killed seems to be worked for seconds, and would swallow it.
  const turn = deps.now().getTime()
  deps.wake(
    'fan-out',
    mailings.map(({ id, kind }) => fanOutJob(id, turn, kind)),
  )
  deps.wake('mail-bulk', chunks.map(chunkJob))
  deps.wake(
    'notices',
    notices.map(({ id, attempt, waited }) => noticeJob(id, attempt, waited)),
  )
}
