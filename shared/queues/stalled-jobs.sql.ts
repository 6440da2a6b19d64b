import type { PostgresConnection } from 'bullmq'

/** In the tables BullMQ makes; its connections look for names in their schema. */
type Queues = Pick<PostgresConnection['pool'], 'query'>

/**
 * Puts jobs of workers that are gone back into their queue, by PostgreSQL's clock; returns their ids. BullMQ goes by that of the
 * process that asks. Where one is ahead, the locks it took, and word of when this was last done, lie so far in the future:
 * they are drawn back first, or nobody's lost jobs would be found until then.
 *
 * @param lock milliseconds for which a job is locked
 * @param every milliseconds from one look to the next, whoever takes it
 */
export async function requeueStalledJobs(
  queues: Queues,
  { queue, lock, every, most }: { queue: string; lock: number; every: number; most: number },
): Promise<string[]> {
  await queues.query(
    `with hour as (select (extract(epoch from clock_timestamp()) * 1000)::bigint as ms),
          locks as (
            update job set locked_until_ms = hour.ms + $2::bigint from hour
             where queue = $1 and state = 'active' and locked_until_ms > hour.ms + $2::bigint
          )
     update meta set value = (hour.ms - $3::bigint)::text from hour
      where queue = $1 and field = 'stalled-check' and value::bigint > hour.ms`,
    [queue, lock, every],
  )
  const { rows } = await queues.query<{ id: string }>(
    `select id from move_stalled_jobs_to_wait($1, $2, (extract(epoch from clock_timestamp()) * 1000)::bigint, $3) as t (id)`,
    [queue, most, every],
  )
  return rows.map(({ id }) => id)
}
