import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { Release, ReleaseContent, ReleaseId, ReleaseKind } from './release.ts'
import { shownTexts } from './release-texts.ts'

type ReleaseRow = {
  id: ReleaseId
  newsroom_id: NewsroomId
  external_id: string
  revision: number
  kind: ReleaseKind
  published_at: Date
  zone: string
  topics: string[]
  content: ReleaseContent
}

/** Stores a release's first revision. Null: the newsroom already has a release by that external id. */
export async function insertRelease(db: Db, release: Release, receivedAt: Date): Promise<ReleaseId | null> {
  const texts = shownTexts(release)
  const { rows } = await db.query<{ release_id: ReleaseId }>({
    name: 'insert-release',
    text: `with created as (
       insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, topics, created_at, revised_at)
       values ($1, $2, $3, $4, $5, $6, $7, $10, $9, $9)
       on conflict (newsroom_id, external_id) do nothing
       returning id
     ), listed as (
       insert into release_texts (release_id, language, title, lead, words)
       select created.id, t.language, t.title, t.lead, release_words($2, t.language, t.plain)
         from created, unnest($11::text[], $12::text[], $13::text[], $14::text[]) as t (language, title, lead, plain)
     ), free as (
       select c.id from created, release_changes c where c.newsroom_id = $2
        order by c.id limit 1 for no key update of c skip locked
     ), counted as (
       update release_changes c set number = c.number + 1 from free where c.id = free.id returning c.id
     ), begun as (
       insert into release_changes (newsroom_id, number) select $2, 1 from created where not exists (select from counted)
     )
     insert into revisions (release_id, revision, kind, content, received_at)
     select id, $4, $5, $8, $9 from created
     returning release_id`,
    values: [
      release.id,
      release.newsroomId,
      release.externalId,
      release.revision,
      release.kind,
      release.publishedAt,
      release.zone,
      JSON.stringify(release.content),
      receivedAt,
      release.topics,
      texts.map(({ language }) => language),
      texts.map(({ title }) => title),
      texts.map(({ lead }) => lead),
      texts.map(({ plain }) => plain),
    ],
  })
  return rows[0]?.release_id ?? null
}

/** Keeps two revisions of one release from being made at once, until the transaction ends. */
export async function lockRelease(db: Db, newsroom: NewsroomId, externalId: string): Promise<void> {
  // No stronger: a fan-out writes its mailing twice in one transaction, looks at the release it belongs to, and must not
  // wait here for somebody who waits for that mailing.
  await db.query(`select from releases where newsroom_id = $1 and external_id = $2 for no key update`, [
    newsroom,
    externalId,
  ])
}

/** Stores a further revision; the release is what its newest revision says. */
export async function addRevision(db: Db, release: Release, receivedAt: Date): Promise<void> {
  const texts = shownTexts(release)
  await db.query(
    `with amended as (
       update releases set revision = $2, kind = $3, published_at = $4, zone = $5, topics = $8, revised_at = $7
        where id = $1
       returning id, newsroom_id
     ), unlisted as (
       delete from release_texts where release_id = $1 and language <> all ($9::text[])
     ), listed as (
       insert into release_texts (release_id, language, title, lead, words)
       select amended.id, t.language, t.title, t.lead, release_words(amended.newsroom_id, t.language, t.plain)
         from amended, unnest($9::text[], $10::text[], $11::text[], $12::text[]) as t (language, title, lead, plain)
       on conflict (release_id, language)
       do update set title = excluded.title, lead = excluded.lead, words = excluded.words
     ), free as (
       select c.id from amended, release_changes c where c.newsroom_id = amended.newsroom_id
        order by c.id limit 1 for no key update of c skip locked
     ), counted as (
       update release_changes c set number = c.number + 1 from free where c.id = free.id returning c.id
     ), begun as (
       insert into release_changes (newsroom_id, number)
       select newsroom_id, 1 from amended where not exists (select from counted)
     )
     insert into revisions (release_id, revision, kind, content, received_at)
     select id, $2, $3, $6, $7 from amended`,
    [
      release.id,
      release.revision,
      release.kind,
      release.publishedAt,
      release.zone,
      JSON.stringify(release.content),
      receivedAt,
      release.topics,
      texts.map(({ language }) => language),
      texts.map(({ title }) => title),
      texts.map(({ lead }) => lead),
      texts.map(({ plain }) => plain),
    ],
  )
}

/** One revision of a release, as a mailing owes it. */
export async function findRevision(db: Db, id: ReleaseId, revision: number): Promise<Release | null> {
  const { rows } = await db.query<ReleaseRow>(
    `select r.id, r.newsroom_id, r.external_id, v.revision, v.kind, r.published_at, r.zone, r.topics, v.content
       from releases r join revisions v on v.release_id = r.id
      where r.id = $1 and v.revision = $2`,
    [id, revision],
  )
  return rows[0] ? asRelease(rows[0]) : null
}

/** A release by its publisher's own name for it, newest revision, with the mailing that owes it. */
export async function findByExternalId(
  db: Db,
  newsroom: NewsroomId,
  externalId: string,
): Promise<{ release: Release; mailing: { id: string; state: string } | null } | null> {
  const { rows } = await db.query<ReleaseRow & { mailing_id: string | null; mailing_state: string | null }>(
    `select r.id, r.newsroom_id, r.external_id, r.revision, r.kind, r.published_at, r.zone, r.topics, v.content,
            m.id as mailing_id, m.state as mailing_state
       from releases r
       join revisions v on v.release_id = r.id and v.revision = r.revision
       left join mailings m on m.release_id = r.id and m.revision = r.revision
      where r.newsroom_id = $1 and r.external_id = $2`,
    [newsroom, externalId],
  )
  const row = rows[0]
  if (!row) return null
  const mailing = row.mailing_id && row.mailing_state ? { id: row.mailing_id, state: row.mailing_state } : null
  return { release: asRelease(row), mailing }
}

const asRelease = (row: ReleaseRow): Release => ({
  id: row.id,
  newsroomId: row.newsroom_id,
  externalId: row.external_id,
  revision: row.revision,
  kind: row.kind,
  publishedAt: row.published_at,
  zone: row.zone,
  topics: row.topics,
  content: row.content,
})
