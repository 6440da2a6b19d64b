import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'

/**
 * Takes what mail hosts said about these readers' letters out of the ledger: many repeat the address. The rows stay,
 * so that a mailing's figures do. Asked by mailing, because that is how the ledger is kept: each is a look by key.
 *
 * @param moved subscriptions they had before they changed their address
 * @param days of mailings that ended no longer ago; null: of all that are kept
 */
export async function eraseReplies(
  db: Db,
  subscribers: readonly SubscriberId[],
  moved: readonly SubscriptionId[],
  days: number | null,
): Promise<void> {
  await db.query(
    `update deliveries d set reply = null
       from subscriptions s join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
      where (s.subscriber_id = any($1::bigint[]) or s.id = any($2::bigint[]))
        and ($3::int is null or m.done_at is null or m.done_at > now() - $3 * interval '1 day')
        and d.mailing_id = m.id and d.subscription_id = s.id and d.reply is not null`,
    [subscribers, moved, days],
  )
  await db.query(
    `update attempts a set detail = 'Erased: it may have named an address.'
       from subscriptions s join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
      where (s.subscriber_id = any($1::bigint[]) or s.id = any($2::bigint[]))
        and ($3::int is null or m.done_at is null or m.done_at > now() - $3 * interval '1 day')
        and a.mailing_id = m.id and a.subscription_id = s.id and a.detail <> 'Erased: it may have named an address.'`,
    [subscribers, moved, days],
  )
}
