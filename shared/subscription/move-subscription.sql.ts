import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId, SubscriptionState } from './subscription.ts'

export type HeldBy = {
  readonly id: SubscriptionId
  readonly newsroomId: NewsroomId
  readonly subscriberId: SubscriberId
  readonly state: SubscriptionState
}

/** All subscriptions of these subscribers, kept from changing until the transaction ends; in one order for everybody. */
export async function lockSubscriptionsOf(db: Db, subscribers: readonly SubscriberId[]): Promise<HeldBy[]> {
  const { rows } = await db.query<HeldBy>(
    `select id, newsroom_id as "newsroomId", subscriber_id as "subscriberId", state
       from subscriptions
      where subscriber_id = any($1::bigint[])
      order by id
        for update`,
    [subscribers],
  )
  return rows
}

/** Whether a subscriber follows anything. */
export async function followsAnything(db: Db, subscriber: SubscriberId): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from subscriptions where subscriber_id = $1 and state = 'active' limit 1`,
    [subscriber],
  )
  return rowCount === 1
}

/**
 * Gives a subscription to another subscriber. It keeps its id, and with it the letters that are on their way: they go
 * to the new address, once. The caller has seen to it that nobody else's stands in the place.
 */
export async function giveSubscription(db: Db, id: SubscriptionId, to: SubscriberId): Promise<void> {
  await db.query('update subscriptions set subscriber_id = $2 where id = $1', [id, to])
}

/**
 * Marks the place that a subscription was moved from: a list imported once more would find nobody there, and bring back a reader who
 * has moved, or left since.
 */
export async function leaveEndBehind(db: Db, moved: SubscriptionId, from: SubscriberId): Promise<void> {
  await db.query(
    `insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, ended_at, ended_reason)
     select newsroom_id, $2, 'ended', language, requested_at, greatest(now(), requested_at), 'merged'
       from subscriptions where id = $1`,
    [moved, from],
  )
}

/** Ends one whose reader's new address follows the newsroom already. */
export async function mergeAway(db: Db, id: SubscriptionId): Promise<void> {
  await db.query(
    `update subscriptions set state = 'ended', ended_at = greatest(now(), requested_at), ended_reason = 'merged'
      where id = $1 and state = 'active'`,
    [id],
  )
}

/** Takes up again what ended only because it was merged, as if it had gone on: its reader never left. */
export async function unmerge(db: Db, ids: readonly SubscriptionId[]): Promise<SubscriptionId[]> {
  const { rows } = await db.query<{ id: SubscriptionId }>(
    `update subscriptions set state = 'active', ended_at = null, ended_reason = null
      where id = any($1::bigint[]) and state = 'ended' and ended_reason = 'merged'
     returning id`,
    [ids],
  )
  return rows.map(({ id }) => id)
}

/** Ends a request that stands in the place of a subscription that is moved there. */
export async function endInTheWay(db: Db, id: SubscriptionId): Promise<void> {
  await db.query(
    `update subscriptions
        set state = 'ended', ended_at = greatest(now(), requested_at), ended_reason = coalesce(ended_reason, 'merged')
      where id = $1 and state = 'pending'`,
    [id],
  )
}
