import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'

/** Lets the proof of origin of acts older than `days` go, some rows at a time; how many it was. */
export async function forgetOrigins(db: Db, days: number, most: number): Promise<number> {
  const { rowCount } = await db.query(
    `update consent_log set origin_hash = null
      where id = any(array(select id from consent_log
                            where origin_hash is not null and at < now() - $1 * interval '1 day'
                            order by at limit $2))`,
    [days, most],
  )
  return rowCount ?? 0
}

/** Lets the proof of origin of these readers go at once: they had themselves erased. */
export async function eraseOrigins(db: Db, subscribers: readonly SubscriberId[]): Promise<void> {
  await db.query(
    'update consent_log set origin_hash = null where subscriber_id = any($1::bigint[]) and origin_hash is not null',
    [subscribers],
  )
}
