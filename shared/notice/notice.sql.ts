import type { Db } from '../postgres/pool.ts'
import type { AddressChangeId } from '../subscriber/address-change.ts'
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
  const { rowCount } = await db.query({
    name: 'owe-notice',
    text: `insert into notices (id, kind, subscription_id, state, created_at, next_at)
     select $1, $2, held.id, 'due', $4, $5
       from subscriptions held
       join subscribers reader on reader.id = held.subscriber_id
      where held.id = $3 and $6
        and not exists (select from suppressions barred
                         where barred.address_hash = reader.address_hash
                                                      and barred.reason not in ('bounced', 'erased'))
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
    values: [notice.id, notice.kind, notice.subscriptionId, now, notice.notBefore ?? now, notice.mayWrite ?? true],
  })
  return rowCount === 1
}

/** Owes a letter about a change of address, to the one or the other of the two. */
export async function oweChangeNotice(
  db: Db,
  notice: {
    id: NoticeId
    kind: 'new-address' | 'address-changed'
    subscriptionId: SubscriptionId
    subscriberId: SubscriberId
    changeId: AddressChangeId
  },
  now: Date,
): Promise<boolean> {
  // Whoever holds a link can name other people's addresses: each is asked once a day. What was done is always told.
  const { rowCount } = await db.query(
    `insert into notices (id, kind, subscription_id, subscriber_id, change_id, state, created_at, next_at)
     select $1, $2, $3, reader.id, $5, 'due', $6, $6
       from subscribers reader
      where reader.id = $4 and reader.address is not null
        and not exists (select from suppressions barred
                         where barred.address_hash = reader.address_hash
                           and barred.reason not in ('bounced', 'erased'))
        and ($2 = 'address-changed'
             or not exists (select from notices earlier
                             where earlier.subscriber_id = reader.id and earlier.kind = $2
                               and earlier.created_at > $6::timestamptz - interval '24 hours'))`,
    [notice.id, notice.kind, notice.subscriptionId, notice.subscriberId, notice.changeId, now],
  )
  return rowCount === 1
}

/** Forgets what mail hosts answered to these readers' notices: many repeat the address. */
export async function forgetReplies(db: Db, subscribers: readonly SubscriberId[]): Promise<void> {
  await db.query(
    `update notices n set reply = null
       from subscriptions s
      where s.subscriber_id = any($1::bigint[]) and n.subscription_id = s.id and n.reply is not null`,
    [subscribers],
  )
  await db.query('update notices set reply = null where subscriber_id = any($1::bigint[]) and reply is not null', [
    subscribers,
  ])
}

/** Deletes notices that ended more than `days` ago, some at a time; how many it was. */
export async function forgetNotices(db: Db, days: number, most: number): Promise<number> {
  const { rowCount } = await db.query(
    `delete from notices
      where id = any(array(select id from notices
                            where done_at < now() - $1 * interval '1 day' order by done_at limit $2))`,
    [days, most],
  )
  return rowCount ?? 0
}
