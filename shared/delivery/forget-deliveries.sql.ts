import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'

/**
 * Deletes the next deliveries of a mailing and their attempts, in the order of their key. `last`: the last of them; null:
 * none is left. The caller goes on from there, so that no statement walks over what earlier ones have deleted.
 * The totals stay in the mailing's chunks.
 */
export async function forgetDeliveries(
  db: Db,
  mailing: MailingId,
  after: SubscriptionId,
  most: number,
): Promise<{ last: SubscriptionId | null; deleted: number }> {
  const { rows } = await db.query<{ last: SubscriptionId | null; deleted: number }>(
    `select max(subscription_id) as last, count(*)::int as deleted
       from (select subscription_id from deliveries
              where mailing_id = $1 and subscription_id > $2 order by subscription_id limit $3) next`,
    [mailing, after, most],
  )
  const { last, deleted } = rows[0]!
  // A range of the key, so that there is one plan to choose; nothing is written into it any more.
  await db.query('delete from deliveries where mailing_id = $1 and subscription_id > $2 and subscription_id <= $3', [
    mailing,
    after,
    last,
  ])
  await db.query(
    `delete from attempts where mailing_id = $1 and subscription_id > $2 and ($3::bigint is null or subscription_id <= $3)`,
    [mailing, after, last],
  )
  return { last, deleted }
}
