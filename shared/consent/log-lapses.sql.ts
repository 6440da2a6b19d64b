import type { Db } from '../postgres/pool.ts'
import type { Subscription } from '../subscription/subscription.ts'

/** Writes down that these requests were never confirmed, and lapsed; many in one statement. */
export async function logLapses(
  db: Db,
  lapsed: readonly Pick<Subscription, 'id' | 'newsroomId' | 'subscriberId'>[],
  now: Date,
): Promise<void> {
  await db.query(
    `insert into consent_log (subscription_id, newsroom_id, subscriber_id, act, at, door)
     select l.id, l.newsroom_id, l.subscriber_id, 'lapsed', $4, 'clock'
       from unnest($1::bigint[], $2::uuid[], $3::bigint[]) as l (id, newsroom_id, subscriber_id)`,
    [lapsed.map(({ id }) => id), lapsed.map((one) => one.newsroomId), lapsed.map((one) => one.subscriberId), now],
  )
}
