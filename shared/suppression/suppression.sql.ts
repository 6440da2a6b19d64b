import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'

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
