import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { Subscription } from '../subscription/subscription.ts'

export type ImportedConsent = {
  readonly newsroom: NewsroomId
  readonly language: Language
  /** Where these readers' consent was given and can be shown, in the operator's words. */
  readonly source: string
}

/** Records for each imported subscription that its consent was given elsewhere, and where; many in one statement. */
export async function logImport(
  db: Db,
  consent: ImportedConsent,
  added: readonly Pick<Subscription, 'id' | 'subscriberId'>[],
  now: Date,
): Promise<void> {
  await db.query(
    `insert into consent_log (subscription_id, newsroom_id, subscriber_id, act, at, door, language, wording)
     select a.subscription_id, $3, a.subscriber_id, 'imported', $4, 'operator', $5, $6
       from unnest($1::bigint[], $2::bigint[]) as a (subscription_id, subscriber_id)`,
    [
      added.map((subscription) => subscription.id),
      added.map((subscription) => subscription.subscriberId),
      consent.newsroom,
      now,
      consent.language,
      consent.source,
    ],
  )
}
