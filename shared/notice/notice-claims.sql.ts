import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db, Pool } from '../postgres/pool.ts'
import { waited } from '../queues/waited.ts'
import type { AddressChangeId, AddressChangeState } from '../subscriber/address-change.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId, SubscriptionState } from '../subscription/subscription.ts'
import { type NoticeId, type NoticeKind, noticeClaim } from './notice.ts'

export type ClaimedNotice = {
  readonly id: NoticeId
  readonly kind: NoticeKind
  readonly attempt: number
  /** Seconds since it was asked for. */
  readonly age: number
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
  /** Whether the old address still follows anything that could move. */
  readonly hasToMove: boolean
}

type ClaimedNoticeRow = {
  id: NoticeId
  kind: NoticeKind
  attempt: number
  age: number
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
  has_to_move: boolean
}

/**
 * Takes a notice that is due, for a minute. One left claimed by a worker that ended is due again then: the same
 * Message-ID makes a repeat harmless, and a lost confirmation would lose a reader.
 *
 * Whether it is still owed is read when the claim is committed, by a statement of its own. Whoever leaves or erases
 * everything commits that, and looks for claims then: one of the two sees the other, and neither locks what the other
 * needs. So this takes the pool, and no transaction.
 */
export async function claimNotice(pool: Pool, id: NoticeId): Promise<ClaimedNotice | null> {
  const { rows: taken } = await pool.query<{ fence: string }>({
    name: 'claim-notice',
    text: `update notices
        set state = 'claimed', attempt = attempt + 1, fence = fence + 1, next_at = now() + $2 * interval '1 second'
      where id = $1 and next_at <= now() and state in ('due', 'claimed', 'deferred')
     returning fence`,
    values: [id, noticeClaim],
  })
  if (!taken[0]) return null
  // By its fence: to a process that was frozen in between it may be another's by now.
  const { rows } = await pool.query<ClaimedNoticeRow>({
    name: 'read-claimed-notice',
    text: `select n.id, n.kind, n.attempt, extract(epoch from now() - n.created_at)::float8 as age, n.fence, n.subscription_id, s.newsroom_id, s.state as subscription_state,
            s.requested_at, s.language, b.id as subscriber_id, b.id = s.subscriber_id as is_holder, b.address,
            exists (select from suppressions x where x.address_hash = b.address_hash
                                                 and x.reason not in ('bounced', 'erased')) as barred,
            n.change_id, c.state as change_state,
            exists (select from subscriptions f where f.subscriber_id = c.from_subscriber and f.state = 'active') as has_to_move
       from notices n
       join subscriptions s on s.id = n.subscription_id
       join subscribers b on b.id = coalesce(n.subscriber_id, s.subscriber_id)
       left join address_changes c on c.id = n.change_id
      where n.id = $1 and n.fence = $2 and n.state = 'claimed'`,
    values: [id, taken[0].fence],
  })
  const row = rows[0]
  return row
    ? {
        id: row.id,
        kind: row.kind,
        attempt: row.attempt,
        age: row.age,
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
        hasToMove: row.has_to_move,
      }
    : null
}

/** Keeps a claim for another minute, for a notice that has begun: to begin one it must be claimed. */
export async function keepNotice(db: Db, { id, fence }: Pick<ClaimedNotice, 'id' | 'fence'>): Promise<void> {
  await db.query(
    `update notices set next_at = now() + $3 * interval '1 second' where id = $1 and fence = $2 and state = 'claimed'`,
    [id, fence, noticeClaim],
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
  await db.query({
    name: 'record-notice',
    text: `update notices
        set state = $3, reply = $4, attempt = attempt - case when $6 then 0 else 1 end,
            next_at = case when $5::float8 is null then next_at else now() + $5 * interval '1 second' end,
            done_at = case when $5::float8 is null then now() end
      where id = $1 and fence = $2 and state = 'claimed'`,
    values: [notice.id, notice.fence, outcome.state, outcome.reply, outcome.wait, outcome.counts],
  })
}

/** Notices whose time has come, the oldest first, and how long they have waited, by doubling. */
export async function dueNotices(db: Db, most: number): Promise<{ id: NoticeId; attempt: number; waited: number }[]> {
  const { rows } = await db.query<{ id: NoticeId; attempt: number; waited: number }>({
    text: `select id, attempt, ${waited('next_at')} as waited from notices
      where state in ('due', 'claimed', 'deferred') and next_at <= now()
      order by next_at limit $1`,
    values: [most],
  })
  return rows
}
