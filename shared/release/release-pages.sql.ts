import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { Release, ReleaseContent, ReleaseId, ReleaseKind } from './release.ts'

/** A release as a newsroom page lists it. */
export type ReleaseHeadline = {
  readonly id: ReleaseId
  readonly kind: ReleaseKind
  readonly publishedAt: Date
  readonly zone: string
  readonly texts: Partial<Record<Language, { readonly title: string; readonly lead: string }>>
}

/** A release as its own page shows it; `revisedAt` is when its newest revision came. */
export type ReleaseOnPage = Release & { readonly revisedAt: Date }

/**
 * The newest releases anybody may see by now, newest first, those after `before` when it is given. Bodies stay behind:
 * a list needs titles and leads. The cursor is a release, so that no instant has to survive the way through a link.
 */
export async function listHeadlines(
  db: Db,
  newsroom: NewsroomId,
  page: { before: ReleaseId | null; size: number },
  now: Date,
): Promise<ReleaseHeadline[]> {
  const { rows } = await db.query<HeadlineRow>(
    `select r.id, r.kind, r.published_at, r.zone,
            (select jsonb_object_agg(t.key, jsonb_build_object('title', t.value -> 'title', 'lead', t.value -> 'lead'))
               from jsonb_each(v.content -> 'languages') t) as texts
       from releases r
       join revisions v on v.release_id = r.id and v.revision = r.revision
      where r.newsroom_id = $1
        and r.kind <> 'withdrawal'
        and r.published_at <= $2
        and ($3::uuid is null or (r.published_at, r.id) < (select b.published_at, b.id
                                                            from releases b
                                                           where b.id = $3 and b.newsroom_id = $1))
      order by r.published_at desc, r.id desc
      limit $4`,
    [newsroom, now, page.before, page.size],
  )
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    publishedAt: row.published_at,
    zone: row.zone,
    texts: row.texts ?? {},
  }))
}

/** One release with all it says, or null while its hour has not come: nobody may learn that it exists. */
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
      where r.newsroom_id = $1 and r.id = $2 and r.published_at <= $3`,
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

type HeadlineRow = {
  id: ReleaseId
  kind: ReleaseKind
  published_at: Date
  zone: string
  texts: ReleaseHeadline['texts'] | null
}

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
