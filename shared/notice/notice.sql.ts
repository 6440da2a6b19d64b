import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { NoticeId, NoticeKind } from './notice.ts'

/**
 * Owes a reader a notice, unless the address gets no mail or had one of this kind within 24 hours: whoever types other
 * people's addresses can make us write to each once a day and no more. An address that bounced is asked again, because
 * its owner's confirmation is what clears it. A letter that has since been confirmed does not count, so that a reader
 * who follows, leaves and changes their mind the same day is not left waiting. An address is known by its hash, so that
 * one deleted at its owner's wish is not written to anew the same day. The caller holds the subscription's row, so two
 * requests cannot both find nothing.
 */
export async function oweNotice(
  db: Db,
  notice: {
    id: NoticeId
    kind: NoticeKind
    subscriptionId: SubscriptionId
    /** The address's own budget has been asked; without it nothing is owed, by the same statement. */
    mayWrite?: boolean
    /** When it leaves at the earliest. */
    notBefore?: Date
  },
  now: Date,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into notices (id, kind, subscription_id, state, created_at, next_at)
     select $1, $2, held.id, 'due', $4, $5
       from subscriptions held
       join subscribers reader on reader.id = held.subscriber_id
      where held.id = $3 and $6
        and not exists (select from suppressions barred
                         where barred.address_hash = reader.address_hash and barred.reason <> 'bounced')
        and not exists (select from subscribers same
                         join subscriptions asked on asked.subscriber_id = same.id
                         join notices earlier on earlier.subscription_id = asked.id
                         where same.address_hash = reader.address_hash
                           and asked.newsroom_id = held.newsroom_id
                           and earlier.kind = $2
                           and earlier.created_at > $4::timestamptz - interval '24 hours'
                           and (earlier.kind <> 'confirmation'
                                or held.activated_at is null
                                or earlier.created_at > held.activated_at))`,
    [notice.id, notice.kind, notice.subscriptionId, now, notice.notBefore ?? now, notice.mayWrite ?? true],
  )
  return rowCount === 1
}

/** Forgets what mail hosts answered to a reader's notices: many repeat the address. */
export async function forgetReplies(db: Db, subscriber: SubscriberId): Promise<void> {
  await db.query(
    `update notices n set reply = null
       from subscriptions s
      where s.subscriber_id = $1 and n.subscription_id = s.id and n.reply is not null`,
    [subscriber],
  )
}
