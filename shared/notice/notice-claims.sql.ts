import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { AddressChangeId, AddressChangeState } from '../subscriber/address-change.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId, SubscriptionState } from '../subscription/subscription.ts'
import type { NoticeId, NoticeKind } from './notice.ts'

export type ClaimedNotice = {
  readonly id: NoticeId
  readonly kind: NoticeKind
  readonly attempt: number
  readonly fence: string
  readonly newsroomId: NewsroomId
  readonly subscriptionId: SubscriptionId
  readonly subscriptionState: SubscriptionState
  readonly requestedAt: Date
  readonly language: Language
  /** Whom it goes to, and whether that is still who holds the subscription. */
  readonly subscriberId: SubscriberId
  readonly isHolder: boolean
  readonly address: string | null
  /** The address gets no mail at all. A bounce or an erasure alone bars no notice: a confirmation clears it. */
  readonly barred: boolean
  /** The change of address it speaks of. */
  readonly changeId: AddressChangeId | null
  readonly changeState: AddressChangeState | null
}

type ClaimedNoticeRow = {
  id: NoticeId
  kind: NoticeKind
  attempt: number
  fence: string
  newsroom_id: NewsroomId
  subscription_id: SubscriptionId
  subscription_state: SubscriptionState
  requested_at: Date
  language: Language
  subscriber_id: SubscriberId
  is_holder: boolean
  address: string | null
  barred: boolean
  change_id: AddressChangeId | null
  change_state: AddressChangeState | null
}

/** Seconds. */
const claimLasts = 60

/**
 * Takes a notice that is due, for a minute. One left claimed by a worker that ended is due again then: the same
 * Message-ID makes a repeat harmless, and a lost confirmation would lose a reader.
 */
export async function claimNotice(db: Db, id: NoticeId): Promise<ClaimedNotice | null> {
  const { rows } = await db.query<ClaimedNoticeRow>(
    `with mine as (
       update notices
          set state = 'claimed', attempt = attempt + 1, fence = fence + 1, next_at = now() + $2 * interval '1 second'
        where id = $1 and next_at <= now() and state in ('due', 'claimed', 'deferred')
       returning id, kind, attempt, fence, subscription_id, subscriber_id, change_id
     )
     select m.id, m.kind, m.attempt, m.fence, m.subscription_id, s.newsroom_id, s.state as subscription_state,
            s.requested_at, s.language, b.id as subscriber_id, b.id = s.subscriber_id as is_holder, b.address,
            exists (select from suppressions x where x.address_hash = b.address_hash
                                                 and x.reason not in ('bounced', 'erased')) as barred,
            m.change_id, c.state as change_state
       from mine m
       join subscriptions s on s.id = m.subscription_id
       join subscribers b on b.id = coalesce(m.subscriber_id, s.subscriber_id)
       left join address_changes c on c.id = m.change_id`,
    [id, claimLasts],
  )
  const row = rows[0]
  return row
    ? {
        id: row.id,
        kind: row.kind,
        attempt: row.attempt,
        fence: row.fence,
        newsroomId: row.newsroom_id,
        subscriptionId: row.subscription_id,
        subscriptionState: row.subscription_state,
        requestedAt: row.requested_at,
        language: row.language,
        subscriberId: row.subscriber_id,
        isHolder: row.is_holder,
        address: row.address,
        barred: row.barred,
        changeId: row.change_id,
        changeState: row.change_state,
      }
    : null
}

/** Keeps a claim for another minute. */
export async function keepNotice(db: Db, { id, fence }: Pick<ClaimedNotice, 'id' | 'fence'>): Promise<void> {
  await db.query(
    `update notices set next_at = now() + $3 * interval '1 second' where id = $1 and fence = $2 and state = 'claimed'`,
    [id, fence, claimLasts],
  )
}

/** Ends a claim. `wait`, in seconds, when it is to be tried again. */
export async function recordNotice(
  db: Db,
  notice: Pick<ClaimedNotice, 'id' | 'fence'>,
  outcome: {
    state: 'sent' | 'deferred' | 'bounced' | 'failed' | 'suppressed'
    wait: number | null
    reply: string | null
    counts: boolean
  },
): Promise<void> {
  await db.query(
    `update notices
        set state = $3, reply = $4, attempt = attempt - case when $6 then 0 else 1 end,
            next_at = case when $5::float8 is null then next_at else now() + $5 * interval '1 second' end,
            done_at = case when $5::float8 is null then now() end
      where id = $1 and fence = $2 and state = 'claimed'`,
    [notice.id, notice.fence, outcome.state, outcome.reply, outcome.wait, outcome.counts],
  )
}

/** Notices whose time has come, the oldest first. */
export async function dueNotices(db: Db, most: number): Promise<{ id: NoticeId; attempt: number }[]> {
  const { rows } = await db.query<{ id: NoticeId; attempt: number }>(
    `select id, attempt from notices
      where state in ('due', 'claimed', 'deferred') and next_at <= now()
      order by next_at limit $1`,
    [most],
  )
  return rows
}
