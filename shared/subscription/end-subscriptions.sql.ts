import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { EndReason, SubscriptionId } from './subscription.ts'

export type EndedSubscription = {
  readonly id: SubscriptionId
  readonly newsroomId: NewsroomId
  readonly subscriberId: SubscriberId
}

/** Ends all that these subscribers follow or wait for; which ones it was. Who leaves has also left what had only been merged, or refused. */
export async function endAllOf(
  db: Db,
  subscribers: readonly SubscriberId[],
  reason: EndReason,
): Promise<EndedSubscription[]> {
  const { rows } = await db.query<EndedRow>(
    `update subscriptions
        set state = 'ended', ended_at = greatest(now(), requested_at), ended_reason = $2
      where subscriber_id = any($1::bigint[])
        and (state in ('pending', 'active') or $2 in ('unsubscribed', 'operator') and state = 'ended' and ended_reason in ('merged', 'bounced'))
     returning id, newsroom_id, subscriber_id`,
    [subscribers, reason],
  )
  return rows.map(endedOf)
}

/** Leaves nothing of what these subscribers wished. */
export async function clearWishes(db: Db, subscribers: readonly SubscriberId[]): Promise<void> {
  await db.query(
    `update subscriptions set topics = '{}', frequency = 'immediate', paused_until = null
      where subscriber_id = any($1::bigint[]) and state = 'ended'`,
    [subscribers],
  )
}

/**
 * Ends requests nobody has confirmed in `days`. One that had ended before keeps the reason it ended for: whoever left
 * and only began to come back has left.
 */
export async function lapseRequests(db: Db, days: number, most: number): Promise<EndedSubscription[]> {
  const { rows } = await db.query<EndedRow>(
    `update subscriptions
        set state = 'ended', ended_at = greatest(now(), requested_at), ended_reason = coalesce(ended_reason, 'lapsed')
      where id = any(array(select id from subscriptions
                            where state = 'pending' and requested_at < now() - $1 * interval '1 day'
                            order by requested_at limit $2
                              for no key update skip locked))
        and state = 'pending'
     returning id, newsroom_id, subscriber_id`,
    [days, most],
  )
  return rows.map(endedOf)
}

type EndedRow = { id: SubscriptionId; newsroom_id: NewsroomId; subscriber_id: SubscriberId }

const endedOf = (row: EndedRow): EndedSubscription => ({
  id: row.id,
  newsroomId: row.newsroom_id,
  subscriberId: row.subscriber_id,
})
