import type { Language } from '../language/language.ts'
import type { Db } from '../postgres/pool.ts'
import type { MailingId } from './mailing.ts'

/** A mailing's prepared letter in one language: its bytes, and where the reader's values go between them. */
export type Rendering = {
  readonly language: Language
  readonly subject: string
  readonly body: Buffer
  readonly cuts: unknown
}

/** Keeps the first rendering there is, so that every letter of a mailing is made from the same bytes. */
export async function insertRendering(db: Db, mailing: MailingId, rendering: Rendering): Promise<void> {
  await db.query(
    `insert into renderings (mailing_id, language, subject, body, cuts) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [mailing, rendering.language, rendering.subject, rendering.body, JSON.stringify(rendering.cuts)],
  )
}

export async function listRenderings(db: Db, mailing: MailingId): Promise<Rendering[]> {
  const { rows } = await db.query<Rendering>(
    `select language, subject, body, cuts from renderings where mailing_id = $1 order by language`,
    [mailing],
  )
  return rows
}
