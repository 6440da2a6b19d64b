import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from './subscription.ts'

/** Ends every subscription of the addresses behind these: they can be reached through none of them. */
export async function endBounced(db: Db, subscriptions: readonly SubscriptionId[]): Promise<void> {
  await db.query(
    `update subscriptions s
        set state = 'ended', ended_at = now(), ended_reason = 'bounced'
       from subscriptions refused
      where refused.id = any($1::bigint[]) and s.subscriber_id = refused.subscriber_id and s.state = 'active'`,
    [subscriptions],
  )
}
