import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { LinkKind, NoticeId } from './notice.ts'

/** One wish to be mailed a link, made by whoever typed an address. */
export type LinkRequest = { readonly addressHash: Buffer; readonly newsroomId: NewsroomId; readonly kind: LinkKind }

/**
 * Takes a wish down: one row, whoever's address it is. Who is known, and what is owed to them, is asked later and
 * elsewhere, so that neither the answer nor its time tells.
 */
export async function askForLink(db: Db, request: LinkRequest, now: Date): Promise<void> {
  await db.query(
    `insert into link_requests (address_hash, newsroom_id, kind, asked_at) values ($1, $2, $3, $4)
     on conflict (address_hash, newsroom_id, kind) do update set asked_at = excluded.asked_at`,
    [request.addressHash, request.newsroomId, request.kind, now],
  )
}

/** Takes wishes off the list, the oldest first; they are gone when the transaction ends. */
export async function takeLinkRequests(db: Db, most: number): Promise<LinkRequest[]> {
  const { rows } = await db.query<{ address_hash: Buffer; newsroom_id: NewsroomId; kind: LinkKind }>(
    `delete from link_requests
      where (address_hash, newsroom_id, kind) in (select address_hash, newsroom_id, kind from link_requests
                                                    order by asked_at limit $1 for update skip locked)
     returning address_hash, newsroom_id, kind`,
    [most],
  )
  return rows.map((row) => ({ addressHash: row.address_hash, newsroomId: row.newsroom_id, kind: row.kind }))
}

/** Subscriptions a link could be about: of the newsroom first, and the active before the others. */
export async function findForLink(
  db: Db,
  { addressHash, newsroomId }: LinkRequest,
): Promise<{ id: SubscriptionId; subscriberId: SubscriberId; isHere: boolean; isActive: boolean } | null> {
  const { rows } = await db.query<{
    id: SubscriptionId
    subscriberId: SubscriberId
    isHere: boolean
    isActive: boolean
  }>(
    `select s.id, b.id as "subscriberId", s.newsroom_id = $2 as "isHere", s.state = 'active' as "isActive"
       from subscribers b join subscriptions s on s.subscriber_id = b.id
      where b.address_hash = $1 and b.address is not null
      order by s.newsroom_id = $2 desc, s.state = 'active' desc, s.id
      limit 1`,
    [addressHash, newsroomId],
  )
  return rows[0] ?? null
}

/**
 * Owes a reader a link, unless the address gets no mail, had one of this kind for this newsroom within 24 hours, or has
 * had three of any kind: so many, and no more, can others have us send it in a day.
 */
export async function oweLink(
  db: Db,
  notice: { id: NoticeId; kind: LinkKind; subscriptionId: SubscriptionId; subscriberId: SubscriberId },
  now: Date,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into notices (id, kind, subscription_id, subscriber_id, state, created_at, next_at)
     select $1, $2, $3, reader.id, 'due', $5, $5
       from subscribers reader
      where reader.id = $4
        and not exists (select from suppressions barred
                         where barred.address_hash = reader.address_hash and barred.reason <> 'bounced')
        and not exists (select from notices earlier
                         where earlier.subscriber_id = reader.id and earlier.kind = $2
                           and earlier.subscription_id = $3
                           and earlier.created_at > $5::timestamptz - interval '24 hours')
        and (select count(*) from notices earlier
              where earlier.subscriber_id = reader.id
                and earlier.kind in ('preferences-link', 'leave-link', 'my-data-link')
                and earlier.created_at > $5::timestamptz - interval '24 hours') < 3`,
    [notice.id, notice.kind, notice.subscriptionId, notice.subscriberId, now],
  )
  return rowCount === 1
}

/** Forgets what was asked for an address. */
export async function forgetLinkRequests(db: Db, addressHash: Buffer): Promise<void> {
  await db.query('delete from link_requests where address_hash = $1', [addressHash])
}
