import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionState } from './subscription.ts'

export type SubscriptionCount = {
  readonly state: SubscriptionState
  readonly language: Language
  readonly readers: number
}

/** How many subscriptions a newsroom has, by state and language. */
export async function countSubscriptions(db: Db, newsroom: NewsroomId): Promise<SubscriptionCount[]> {
  const { rows } = await db.query<SubscriptionCount>(
    `select state, language, count(*)::int as readers
       from subscriptions
      where newsroom_id = $1
      group by state, language
      order by state, language`,
    [newsroom],
  )
  return rows
}
