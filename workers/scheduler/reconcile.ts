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
 *
 * @throws the first fault, once all else is done: a question that cannot be answered withholds no other's wake-ups
 */
export async function reconcile({ pool, wake, now, heardUntil }: ReconcileDeps): Promise<void> {
  // Each round's has a name of its own: one whose worker was killed seems to be worked for seconds, and would swallow it.
  const turn = now().getTime()
  const faults: unknown[] = []
  const each = async (step: () => Promise<unknown>) => step().catch((fault: unknown) => faults.push(fault))

  async function wakeMailings(): Promise<void> {
    const mailings = await uncutMailings(pool)
    wake(
      'fan-out',
      mailings.map(({ id, kind }) => fanOutJob(id, turn, kind)),
    )
  }

  async function wakeChunks(): Promise<void> {
    wake('mail-bulk', (await dueChunks(pool, chunksAtOnce, await heardUntil())).map(chunkJob))
  }

  async function wakeNotices(): Promise<void> {
    const notices = await dueNotices(pool, noticesAtOnce)
    wake(
      'notices',
      notices.map(({ id, attempt, waited }) => noticeJob(id, attempt, waited)),
    )
  }

  await each(() => liftDueEmbargoes(pool))
  await Promise.all([
    each(wakeMailings),
    each(wakeChunks),
    each(wakeNotices),
    each(() => finishMailings(pool, null)),
    each(() => removeVanishedWorkers(pool, vanishedAfter)),
  ])
  if (faults.length > 0) throw faults[0]
}
