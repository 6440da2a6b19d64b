import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import type { DigestCutId, DigestItem } from './digest.ts'

/** The digest of a cut that has this content already. */
export async function findDigest(db: Db, cut: DigestCutId, contentsHash: string): Promise<MailingId | null> {
  const { rows } = await db.query<{ mailing_id: MailingId }>(
    `select mailing_id from digests where cut_id = $1 and contents_hash = $2`,
    [cut, contentsHash],
  )
  return rows[0]?.mailing_id ?? null
}

/** Writes down what a digest tells. */
export async function insertDigest(
  db: Db,
  digest: { mailingId: MailingId; cutId: DigestCutId; contentsHash: string; items: readonly DigestItem[] },
): Promise<void> {
  await db.query(
    `with made as (
       insert into digests (mailing_id, cut_id, contents_hash) values ($1, $2, $3)
     )
     insert into digest_items (mailing_id, place, release_id, revision, telling)
     select $1, i.place, i.release_id, i.revision, i.telling
       from unnest($4::uuid[], $5::int[], $6::text[]) with ordinality as i (release_id, revision, telling, place)`,
    [
      digest.mailingId,
      digest.cutId,
      digest.contentsHash,
      digest.items.map(({ releaseId }) => releaseId),
      digest.items.map(({ revision }) => revision),
      digest.items.map(({ telling }) => telling),
    ],
  )
}

export async function listItems(db: Db, mailing: MailingId): Promise<DigestItem[]> {
  const { rows } = await db.query<DigestItem>(
    `select release_id as "releaseId", revision, telling from digest_items where mailing_id = $1 order by place`,
    [mailing],
  )
  return rows
}

/** The same with each release's title in the newsroom's own language, or in the first there is. */
export async function listItemTitles(db: Db, mailing: MailingId): Promise<(DigestItem & { title: string | null })[]> {
  const { rows } = await db.query<DigestItem & { title: string | null }>(
    `select i.release_id as "releaseId", i.revision, i.telling,
            coalesce(v.content -> 'languages' -> n.default_language ->> 'title',
                     (select text ->> 'title' from jsonb_each(v.content -> 'languages') as t(language, text) limit 1)) as title
       from digest_items i
       join revisions v on v.release_id = i.release_id and v.revision = i.revision
       join releases r on r.id = i.release_id
       join newsrooms n on n.id = r.newsroom_id
      where i.mailing_id = $1
      order by i.place`,
    [mailing],
  )
  return rows
}
