import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'

/**
 * Takes what mail hosts said about these readers' letters out of the ledger: many repeat the address. The rows stay,
 * so that a mailing's figures do. Asked by mailing, because that is how the ledger is kept: each is a look by key.
 */
export async function eraseReplies(db: Db, subscribers: readonly SubscriberId[]): Promise<void> {
  await db.query(
    `update deliveries d set reply = null
       from subscriptions s join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
      where s.subscriber_id = any($1::bigint[])
        and d.mailing_id = m.id and d.subscription_id = s.id and d.reply is not null`,
    [subscribers],
  )
  await db.query(
    `update attempts a set detail = 'Erased at the reader''s wish.'
       from subscriptions s join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
      where s.subscriber_id = any($1::bigint[])
        and a.mailing_id = m.id and a.subscription_id = s.id and a.detail <> 'Erased at the reader''s wish.'`,
    [subscribers],
  )
}
