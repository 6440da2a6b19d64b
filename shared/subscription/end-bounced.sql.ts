import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from './subscription.ts'

/** Ends every subscription of the addresses behind these: they can be reached through none of them. In order: who brings readers back locks them so. */
export async function endBounced(db: Db, subscriptions: readonly SubscriptionId[]): Promise<void> {
  await db.query(
    `update subscriptions
        set state = 'ended', ended_at = now(), ended_reason = 'bounced'
      where id = any(array(select s.id from subscriptions s
                            where s.subscriber_id in (select subscriber_id from subscriptions where id = any($1::bigint[]))
                              and s.state = 'active'
                            order by s.id
                              for no key update of s))`,
    [subscriptions],
  )
}

/** A letter whose address was refused for good, and when that was written down, to the microsecond, as PostgreSQL writes it. */
export type Refused = { readonly subscriptionId: SubscriptionId; readonly at: string }

/** Keeps all these readers follow, or have followed, as it is until the transaction ends; before their suppressions, as their doors do. */
export async function lockRefused(db: Db, refused: readonly Refused[]): Promise<void> {
  await db.query(
    `select from subscriptions s
      where s.subscriber_id in (select subscriber_id from subscriptions where id = any($1::bigint[]))
      order by s.id
        for update of s`,
    [refused.map(({ subscriptionId }) => subscriptionId)],
  )
}

/**
 * Takes back what `endBounced` did for these letters, by when it was done: whoever has left, come back or been erased since stays as
 * they are. Returns the subscriptions that are followed again.
 *
 * @param lifted whose addresses were refused then, and by nobody since: one that a subscription was moved to is another's word
 */
export async function restoreBounced(
  db: Db,
  refused: readonly Refused[],
  lifted: readonly SubscriberId[],
): Promise<SubscriptionId[]> {
  const { rows } = await db.query<{ id: SubscriptionId }>(
    `update subscriptions s set state = 'active', ended_at = null, ended_reason = null
       from unnest($1::bigint[], $2::timestamptz[]) as r (subscription_id, at)
       join subscriptions own on own.id = r.subscription_id
       join subscribers b on b.id = own.subscriber_id and b.id = any($3::bigint[]) and b.address is not null
      where s.subscriber_id = b.id and s.state = 'ended' and s.ended_reason = 'bounced' and s.ended_at = r.at
     returning s.id`,
    [refused.map(({ subscriptionId }) => subscriptionId), refused.map(({ at }) => at), lifted],
  )
  return rows.map(({ id }) => id)
}
