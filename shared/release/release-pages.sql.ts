import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { ChangedPart, Release, ReleaseChange, ReleaseContent, ReleaseId, ReleaseKind } from './release.ts'

/** A release as its own page shows it; `revisedAt` is when its newest revision came. */
export type ReleaseOnPage = Release & { readonly revisedAt: Date }

/**
 * One release with all it says, or null while its hour has not come: nobody may learn that it exists. One that was taken
 * back before its hour was never there.
 */
export async function findReleaseOnPage(
  db: Db,
  newsroom: NewsroomId,
  id: ReleaseId,
  now: Date,
): Promise<ReleaseOnPage | null> {
  const { rows } = await db.query<ReleaseRow>(
    `select r.id, r.newsroom_id, r.external_id, r.revision, r.kind, r.published_at, r.zone, r.topics, v.content, v.received_at
       from releases r
       join revisions v on v.release_id = r.id and v.revision = r.revision
      where r.newsroom_id = $1 and r.id = $2 and r.published_at <= $3
        and (r.kind <> 'withdrawal' or v.received_at > r.published_at)`,
    [newsroom, id, now],
  )
  const row = rows[0]
  if (!row) return null
  return {
    id: row.id,
    newsroomId: row.newsroom_id,
    externalId: row.external_id,
    revision: row.revision,
    kind: row.kind,
    publishedAt: row.published_at,
    zone: row.zone,
    topics: row.topics,
    content: row.content,
    revisedAt: row.received_at,
  }
}

/**
 * How a release has changed while it could be read, newest change first, as a reader of one language meets it. Revisions
 * that another replaced before the hour came were never public and are passed over. The comparing is done where the
 * revisions lie: none of their texts is fetched.
 */
export async function listChanges(db: Db, id: ReleaseId, language: Language, now: Date): Promise<ReleaseChange[]> {
  const { rows } = await db.query<ChangeRow>(
    `with told as (
       select v.revision, v.content, r.published_at, v.received_at,
              lead(v.received_at) over (order by v.revision) as replaced_at
         from revisions v join releases r on r.id = v.release_id
        where v.release_id = $1 and v.kind <> 'withdrawal' and r.published_at <= $3
     ), shown as (
       select revision, greatest(received_at, published_at) as at, content, content #> array['languages', $2] as text
         from told where replaced_at is null or replaced_at > published_at
     ), compared as (
       select at,
              lag(at) over seen as replaces,
              text is not null and lag(text) over seen is null as language,
              text -> 'title' is distinct from lag(text -> 'title') over seen as title,
              text -> 'lead' is distinct from lag(text -> 'lead') over seen as lead,
              text -> 'bodyHtml' is distinct from lag(text -> 'bodyHtml') over seen as body,
              content -> 'contacts' is distinct from lag(content -> 'contacts') over seen as contacts,
              content -> 'images' is distinct from lag(content -> 'images') over seen as images,
              content -> 'documents' is distinct from lag(content -> 'documents') over seen as documents,
              content -> 'links' is distinct from lag(content -> 'links') over seen as links,
              (content -> 'languages') - $2 is distinct from lag((content -> 'languages') - $2) over seen as "otherLanguage"
         from shown window seen as (order by revision)
     )
     select * from compared where replaces is not null order by at desc`,
    [id, language, now],
  )
  return rows.map(changeOf)
}

function changeOf({ at, replaces, ...parts }: ChangeRow): ReleaseChange {
  // Of a text that is new in this language everything is new: that is said once.
  const text = parts.language
    ? (['language'] as const)
    : (['title', 'lead', 'body'] as const).filter((one) => parts[one])
  const rest = (['contacts', 'images', 'documents', 'links', 'otherLanguage'] as const).filter((one) => parts[one])
  return { at, replaces, parts: [...text, ...rest] }
}

/** What some releases say, of those whose hour has come; for feeds. */
export async function findContents(
  db: Db,
  newsroom: NewsroomId,
  ids: readonly ReleaseId[],
  now: Date,
): Promise<Map<ReleaseId, { revision: number; content: ReleaseContent }>> {
  const { rows } = await db.query<{ id: ReleaseId; revision: number; content: ReleaseContent }>(
    `select r.id, r.revision, v.content
       from releases r
       join revisions v on v.release_id = r.id and v.revision = r.revision
      where r.newsroom_id = $1 and r.id = any($2) and r.published_at <= $3 and r.kind <> 'withdrawal'`,
    [newsroom, ids, now],
  )
  return new Map(rows.map(({ id, revision, content }) => [id, { revision, content }]))
}

/**
 * When what anybody can see of a newsroom last changed: a release came out, was corrected or was taken back, or the
 * newsroom itself was changed. Whatever a list leaves out counts all the same, because leaving out is a change, too.
 */
export async function lastChange(db: Db, newsroom: NewsroomId, now: Date): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>(
    `select greatest(n.changed_at,
                     (select r.published_at from releases r
                       where r.newsroom_id = n.id and r.published_at <= $2
                       order by r.published_at desc, r.id desc limit 1),
                     (select r.revised_at from releases r
                       where r.newsroom_id = n.id and r.published_at <= $2
                       order by r.revised_at desc limit 1)) as at
       from newsrooms n where n.id = $1`,
    [newsroom, now],
  )
  return rows[0]!.at
}

type ChangeRow = { at: Date; replaces: Date } & Record<ChangedPart, boolean>

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
  received_at: Date
}
