import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
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
  readonly address: string | null
  /** The address gets no mail at all; a bounce alone does not bar a notice, because a confirmation clears it. */
  readonly barred: boolean
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
  address: string | null
  barred: boolean
}

/**
 * Takes a notice that is due, for a minute. One left claimed by a worker that ended is due again then: the same
 * Message-ID makes a repeat harmless, and a lost confirmation would lose a reader.
 */
export async function claimNotice(db: Db, id: NoticeId): Promise<ClaimedNotice | null> {
  const { rows } = await db.query<ClaimedNoticeRow>(
    `with mine as (
       update notices
          set state = 'claimed', attempt = attempt + 1, fence = fence + 1, next_at = now() + interval '60 seconds'
        where id = $1 and next_at <= now() and state in ('due', 'claimed', 'deferred')
       returning id, kind, attempt, fence, subscription_id
     )
     select m.id, m.kind, m.attempt, m.fence, m.subscription_id, s.newsroom_id, s.state as subscription_state,
            s.requested_at, s.language, b.address,
            exists (select from suppressions x where x.address_hash = b.address_hash and x.reason <> 'bounced') as barred
       from mine m
       join subscriptions s on s.id = m.subscription_id
       join subscribers b on b.id = s.subscriber_id`,
    [id],
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
        address: row.address,
        barred: row.barred,
      }
    : null
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
