import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { Frequency, SubscriptionId, SubscriptionState, Wishes } from './subscription.ts'

/** A subscription with what its reader wishes of it. */
export type WishedSubscription = {
  readonly id: SubscriptionId
  readonly newsroomId: NewsroomId
  readonly subscriberId: SubscriberId
  readonly state: SubscriptionState
  readonly address: string | null
  readonly wishes: Wishes
}

export async function findWishes(db: Db, id: SubscriptionId): Promise<WishedSubscription | null> {
  const { rows } = await db.query<WishedRow>(
    `select s.id, s.newsroom_id, s.subscriber_id, s.state, b.address, s.language, s.frequency, s.topics, s.paused_until
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.id = $1`,
    [id],
  )
  return rows[0] ? wishedOf(rows[0]) : null
}

/** The same, and it stays so until the transaction ends. */
export async function lockWishes(db: Db, id: SubscriptionId): Promise<WishedSubscription | null> {
  const { rows } = await db.query<WishedRow>(
    `select s.id, s.newsroom_id, s.subscriber_id, s.state, b.address, s.language, s.frequency, s.topics, s.paused_until
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.id = $1
        for no key update of s`,
    [id],
  )
  return rows[0] ? wishedOf(rows[0]) : null
}

/** Writes what a reader wishes from now on; how often is a matter of its own, see change-frequency. The caller holds the row. */
export async function writeWishes(db: Db, id: SubscriptionId, wishes: Wishes): Promise<void> {
  await db.query(
    `update subscriptions set language = $2, topics = $3, paused_until = $4 where id = $1 and state = 'active'`,
    [id, wishes.language, wishes.topics, wishes.pausedUntil],
  )
}

type WishedRow = {
  id: SubscriptionId
  newsroom_id: NewsroomId
  subscriber_id: SubscriberId
  state: SubscriptionState
  address: string | null
  language: Language
  frequency: Frequency
  topics: string[]
  paused_until: Date | null
}

const wishedOf = (row: WishedRow): WishedSubscription => ({
  id: row.id,
  newsroomId: row.newsroom_id,
  subscriberId: row.subscriber_id,
  state: row.state,
  address: row.address,
  wishes: {
    language: row.language,
    frequency: row.frequency,
    topics: row.topics,
    pausedUntil: row.paused_until,
  },
})
