import type { Db } from '../postgres/pool.ts'
import type { ConsentEntry } from './consent.ts'

/** Adds to the log of consent, which nothing changes: the table itself refuses. */
export async function recordConsent(db: Db, entry: ConsentEntry, now: Date): Promise<void> {
  await db.query(
    `insert into consent_log (subscription_id, newsroom_id, subscriber_id, act, at, door,
                              language, wording, form_url, origin_hash, mailing_id, wishes, detail)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      entry.subscription.id,
      entry.subscription.newsroomId,
      entry.subscription.subscriberId,
      entry.act,
      now,
      entry.door,
      entry.language ?? null,
      entry.wording ?? null,
      entry.formUrl ?? null,
      entry.originHash ?? null,
      entry.mailingId ?? null,
      entry.wishes ? JSON.stringify(entry.wishes) : null,
      entry.detail ? JSON.stringify(entry.detail) : null,
    ],
  )
}
