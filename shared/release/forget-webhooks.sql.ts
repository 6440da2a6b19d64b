import type { Db } from '../postgres/pool.ts'

/** Deletes webhook ids received more than `days` ago, some at a time; how many it was. */
export async function forgetWebhooks(db: Db, days: number, most: number): Promise<number> {
  const { rowCount } = await db.query(
    `delete from received_webhooks
      where ctid = any(array(select ctid from received_webhooks
                              where received_at < now() - $1 * interval '1 day' order by received_at limit $2))`,
    [days, most],
  )
  return rowCount ?? 0
}
