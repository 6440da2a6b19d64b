import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { Refused } from '../subscription/end-bounced.sql.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { SuppressionReason } from './suppression.ts'

/** Suppresses the addresses behind these subscriptions: a mail host refused them for good. */
export async function suppressBounced(db: Db, subscriptions: readonly SubscriptionId[]): Promise<void> {
  await db.query(
    `insert into suppressions (address_hash, reason, at)
     select distinct b.address_hash, 'bounced', now()
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.id = any($1::bigint[])
     on conflict do nothing`,
    [subscriptions],
  )
}

/**
 * Takes back what `suppressBounced` did for these letters, by when it was done; what was said of an address before or since stays.
 * Returns whose addresses those were.
 */
export async function liftBounced(db: Db, refused: readonly Refused[]): Promise<SubscriberId[]> {
  const { rows } = await db.query<{ id: SubscriberId }>(
    `delete from suppressions x
      using unnest($1::bigint[], $2::timestamptz[]) as r (subscription_id, at), subscriptions s, subscribers b
      where s.id = r.subscription_id and b.id = s.subscriber_id
        and x.address_hash = b.address_hash and x.reason = 'bounced' and x.at = r.at
     returning b.id`,
    [refused.map(({ subscriptionId }) => subscriptionId), refused.map(({ at }) => at)],
  )
  return rows.map(({ id }) => id)
}

/** Suppresses the address of one subscriber: a mail host refused it for good. */
export async function suppressBouncedReader(db: Db, subscriber: SubscriberId): Promise<void> {
  await db.query(
    `insert into suppressions (address_hash, reason, at)
     select address_hash, 'bounced', now() from subscribers where id = $1
     on conflict do nothing`,
    [subscriber],
  )
}

/** All that is left of an address after erasure. A complaint or an operator's word stands before it and stays; the detail tells. */
export async function suppressErased(db: Db, addressHash: Buffer, now: Date): Promise<void> {
  await db.query(
    `insert into suppressions (address_hash, reason, at) values ($1, 'erased', $2)
     on conflict (address_hash) do update
       set reason = case when suppressions.reason in ('bounced', 'erased') then 'erased' else suppressions.reason end,
           at = case when suppressions.reason in ('bounced', 'erased') then excluded.at else suppressions.at end,
           detail = case when suppressions.reason in ('bounced', 'erased') then null else 'erased' end`,
    [addressHash, now],
  )
}

/** At an operator's word, whatever stood there but a complaint. */
export async function suppressForOperator(db: Db, addressHash: Buffer, now: Date): Promise<void> {
  await db.query(
    `insert into suppressions (address_hash, reason, at) values ($1, 'operator', $2)
     on conflict (address_hash) do update
       set reason = 'operator', at = excluded.at, detail = case when suppressions.reason = 'erased' then 'erased' end
       where suppressions.reason in ('bounced', 'erased')`,
    [addressHash, now],
  )
}

/**
 * Lets an address get mail again, but for one whose owner asked to be erased, whatever an operator said before or after: who had that
 * done comes back by themselves. Returns why it got none; null: it was not suppressed.
 */
export async function liftForOperator(db: Db, addressHash: Buffer): Promise<SuppressionReason | null> {
  const { rows } = await db.query<{ reason: SuppressionReason }>(
    `with lifted as (
       delete from suppressions where address_hash = $1 and reason <> 'erased' and detail is distinct from 'erased'
     ), left_to_its_owner as (
       update suppressions set reason = 'erased', detail = null where address_hash = $1 and detail = 'erased'
     )
     select case when detail = 'erased' then 'erased' else reason end as reason from suppressions where address_hash = $1`,
    [addressHash],
  )
  return rows[0]?.reason ?? null
}
