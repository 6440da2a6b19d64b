import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { EndReason, Frequency, Subscription, SubscriptionId, SubscriptionState } from './subscription.ts'

/**
 * A reader asks to follow: a new or ended subscription becomes pending with what is wished for now, a pending one is
 * asked for again, an active one stays as it is in every respect: whoever asks may not be its owner. A request always lies after the last end, whatever the clocks of two machines say, and at a whole
 * millisecond, because links carry it so.
 */
export async function requestSubscription(
  db: Db,
  wish: {
    readonly newsroomId: NewsroomId
    readonly subscriberId: SubscriberId
    readonly language: Language
    readonly frequency: Frequency
    readonly topics: readonly string[]
  },
  now: Date,
): Promise<Subscription> {
  const { rows } = await db.query<SubscriptionRow>(
    `insert into subscriptions as held (newsroom_id, subscriber_id, state, language, frequency, topics, requested_at)
     values ($1, $2, 'pending', $3, $5, $6, $4)
     on conflict (newsroom_id, subscriber_id) do update set
       state = case held.state when 'active' then 'active' else 'pending' end,
       language = case held.state when 'active' then held.language else excluded.language end,
       frequency = case held.state when 'active' then held.frequency else excluded.frequency end,
       topics = case held.state when 'active' then held.topics else excluded.topics end,
       paused_until = case held.state when 'active' then held.paused_until end,
       requested_at = case held.state
         when 'active' then held.requested_at
         else date_trunc('milliseconds', greatest(excluded.requested_at, held.requested_at, held.ended_at + interval '1 ms'))
       end
     returning id, newsroom_id, subscriber_id, state, language, frequency, topics, requested_at, ended_at, ended_reason`,
    [wish.newsroomId, wish.subscriberId, wish.language, now, wish.frequency, wish.topics],
  )
  return subscriptionOf(rows[0]!)
}

/** Reads a subscription and keeps it from changing until the transaction ends. */
export async function lockSubscription(db: Db, id: SubscriptionId): Promise<Subscription | null> {
  const { rows } = await db.query<SubscriptionRow>(
    `select id, newsroom_id, subscriber_id, state, language, frequency, topics, requested_at, ended_at, ended_reason
       from subscriptions
      where id = $1
        for no key update`,
    [id],
  )
  return rows[0] ? subscriptionOf(rows[0]) : null
}

/** A request whose reader has asked for another link is as young as that: it lapses no sooner than the link does. */
export async function renewRequest(db: Db, id: SubscriptionId, now: Date): Promise<void> {
  await db.query(`update subscriptions set requested_at = $2 where id = $1 and state = 'pending'`, [id, now])
}

export async function findSubscription(db: Db, id: SubscriptionId): Promise<Subscription | null> {
  const { rows } = await db.query<SubscriptionRow>(
    `select id, newsroom_id, subscriber_id, state, language, frequency, topics, requested_at, ended_at, ended_reason
       from subscriptions
      where id = $1`,
    [id],
  )
  return rows[0] ? subscriptionOf(rows[0]) : null
}

/** The reader's second yes. The instant is the database's own, because audiences are fixed by the same clock. */
export async function activateSubscription(db: Db, id: SubscriptionId): Promise<boolean> {
  const { rowCount } = await db.query(
    `update subscriptions
        set state = 'active', activated_at = now(), ended_at = null, ended_reason = null
      where id = $1 and state = 'pending'`,
    [id],
  )
  return rowCount === 1
}

/**
 * Ends a subscription in any of the states `from`; null when there was nothing to end. An end never lies before its
 * request, whatever the clocks of two machines say. Who leaves what ended only because it was merged, or its address refused, has
 * left: neither taking a change of address back nor an operator's word brings it back.
 */
export async function endSubscription(
  db: Db,
  id: SubscriptionId,
  reason: EndReason,
  from: readonly SubscriptionState[] = ['pending', 'active'],
): Promise<Subscription | null> {
  const { rows } = await db.query<SubscriptionRow>({
    name: 'end-subscription',
    text: `update subscriptions
        set state = 'ended', ended_at = greatest(now(), requested_at), ended_reason = $2
      where id = $1 and (state = any($3) or $2 = 'unsubscribed' and state = 'ended' and ended_reason in ('merged', 'bounced'))
     returning id, newsroom_id, subscriber_id, state, language, frequency, topics, requested_at, ended_at, ended_reason`,
    values: [id, reason, from],
  })
  return rows[0] ? subscriptionOf(rows[0]) : null
}

type SubscriptionRow = {
  id: SubscriptionId
  newsroom_id: NewsroomId
  subscriber_id: SubscriberId
  state: SubscriptionState
  language: Language
  frequency: Frequency
  topics: string[]
  requested_at: Date
  ended_at: Date | null
  ended_reason: EndReason | null
}

const subscriptionOf = (row: SubscriptionRow): Subscription => ({
  id: row.id,
  newsroomId: row.newsroom_id,
  subscriberId: row.subscriber_id,
  state: row.state,
  language: row.language,
  frequency: row.frequency,
  topics: row.topics,
  requestedAt: row.requested_at,
  endedAt: row.ended_at,
  endedReason: row.ended_reason,
})
