import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId, SubscriptionState } from './subscription.ts'

export type ListedReader = {
  readonly id: SubscriptionId
  readonly address: string
  readonly state: SubscriptionState
  readonly language: string
  readonly frequency: string
  readonly topics: readonly string[]
  readonly pausedUntil: Date | null
  readonly requestedAt: Date
  readonly activatedAt: Date | null
  readonly endedAt: Date | null
  readonly endedReason: string | null
}

/** The next readers of a newsroom, by key; those whose address is forgotten are passed over. */
export async function listReaders(
  db: Db,
  newsroom: NewsroomId,
  { states, after, most }: { states: readonly SubscriptionState[]; after: SubscriptionId; most: number },
): Promise<ListedReader[]> {
  const { rows } = await db.query<ListedReader>(
    `select s.id, b.address, s.state, s.language, s.frequency, s.topics, s.paused_until as "pausedUntil",
            s.requested_at as "requestedAt", s.activated_at as "activatedAt", s.ended_at as "endedAt",
            s.ended_reason as "endedReason"
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.newsroom_id = $1 and s.id > $2 and s.state = any($3) and b.address is not null
      order by s.id limit $4`,
    [newsroom, after, states, most],
  )
  return rows
}
