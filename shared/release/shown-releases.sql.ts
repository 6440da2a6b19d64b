import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { ReleaseId, ReleaseKind } from './release.ts'

/*
 * The one place that lists releases for anybody to see: pages, search and feeds. Each statement says the same of what
 * is shown: its hour has come, and it was not withdrawn.
 */

/** What a list is narrowed to; null: not by this. */
export type ListFilter = {
  /** All of these, each stemmed or as a word's beginning; see `wordsOf`. */
  readonly words: readonly string[] | null
  /** The languages whose stemmers read those words. */
  readonly stemmers: readonly Language[]
  /** Written in this language, and the words in that text. */
  readonly language: Language | null
  readonly topic: string | null
  readonly kind: ReleaseKind | null
  /** Of this year, as the newsroom's zone counts years. */
  readonly year: number | null
  readonly zone: string
}

export type Headline = { readonly title: string; readonly lead: string; readonly marked: MarkedTexts | null }
/** The same with the words that were asked for between two marks. */
type MarkedTexts = { readonly title: string; readonly lead: string }

/** A release as a list shows it. */
export type ReleaseHeadline = {
  readonly id: ReleaseId
  readonly revision: number
  readonly kind: ReleaseKind
  readonly publishedAt: Date
  /** When its newest revision came. */
  readonly revisedAt: Date
  readonly zone: string
  readonly topics: readonly string[]
  readonly texts: Partial<Record<Language, Headline>>
}

/** What stands around a word that was asked for: characters no text holds, since releases are refused with them. */
export const marks = { start: '\u0002', end: '\u0003' } as const

/**
 * The newest releases, newest first, those older than `before` when it is given. The cursor is a release, so that no
 * instant has to survive the way through a link.
 */
export async function listHeadlines(
  db: Db,
  newsroom: NewsroomId,
  filter: ListFilter,
  page: { readonly before: ReleaseId | null; readonly size: number },
  now: Date,
): Promise<ReleaseHeadline[]> {
  const { rows } = await db.query<HeadlineRow>(
    `select r.id, r.revision, r.kind, r.published_at, r.revised_at, r.zone, r.topics,
            (select jsonb_object_agg(t.language, jsonb_build_object('title', t.title, 'lead', t.lead, 'marked',
                      case when $3::text[] is not null then jsonb_build_object(
                        'title', ts_headline(search_config(t.language), t.title, asked_words($1, $4, $3), $10),
                        'lead', ts_headline(search_config(t.language), t.lead, asked_words($1, $4, $3), $10)) end))
               from release_texts t where t.release_id = r.id) as texts
       from (select r.id, r.revision, r.kind, r.published_at, r.revised_at, r.zone, r.topics
               from releases r
              where r.newsroom_id = $1 and r.published_at <= $2 and r.kind <> 'withdrawal'
                and ($3::text[] is null or r.id in (select t.release_id from release_texts t
                                                     where t.words @@ asked_words($1, $4, $3)
                                                       and ($5::text is null or t.language = $5)))
                and ($5::text is null or exists (select from release_texts t where t.release_id = r.id and t.language = $5))
                and ($6::text is null or $6 = any(r.topics))
                and ($7::text is null or r.kind = $7)
                and ($8::int is null or (r.published_at >= make_timestamptz($8, 1, 1, 0, 0, 0, $9)
                                     and r.published_at < make_timestamptz($8 + 1, 1, 1, 0, 0, 0, $9)))
                and ($11::uuid is null or (r.published_at, r.id) < (select b.published_at, b.id from releases b
                                                                     where b.id = $11 and b.newsroom_id = $1
                                                                       and b.published_at <= $2))
              order by r.published_at desc, r.id desc
              limit $12) r
      order by r.published_at desc, r.id desc`,
    [...valuesOf(newsroom, filter, now), headlineOptions, page.before, page.size],
  )
  return rows.map(headlineOf)
}

/** Those right before a release in time's own direction: newer than it, still told newest first. */
export async function listNewerHeadlines(
  db: Db,
  newsroom: NewsroomId,
  filter: ListFilter,
  page: { readonly after: ReleaseId; readonly size: number },
  now: Date,
): Promise<ReleaseHeadline[]> {
  const { rows } = await db.query<HeadlineRow>(
    `select r.id, r.revision, r.kind, r.published_at, r.revised_at, r.zone, r.topics,
            (select jsonb_object_agg(t.language, jsonb_build_object('title', t.title, 'lead', t.lead, 'marked',
                      case when $3::text[] is not null then jsonb_build_object(
                        'title', ts_headline(search_config(t.language), t.title, asked_words($1, $4, $3), $10),
                        'lead', ts_headline(search_config(t.language), t.lead, asked_words($1, $4, $3), $10)) end))
               from release_texts t where t.release_id = r.id) as texts
       from (select r.id, r.revision, r.kind, r.published_at, r.revised_at, r.zone, r.topics
               from releases r
              where r.newsroom_id = $1 and r.published_at <= $2 and r.kind <> 'withdrawal'
                and ($3::text[] is null or r.id in (select t.release_id from release_texts t
                                                     where t.words @@ asked_words($1, $4, $3)
                                                       and ($5::text is null or t.language = $5)))
                and ($5::text is null or exists (select from release_texts t where t.release_id = r.id and t.language = $5))
                and ($6::text is null or $6 = any(r.topics))
                and ($7::text is null or r.kind = $7)
                and ($8::int is null or (r.published_at >= make_timestamptz($8, 1, 1, 0, 0, 0, $9)
                                     and r.published_at < make_timestamptz($8 + 1, 1, 1, 0, 0, 0, $9)))
                and (r.published_at, r.id) > (select b.published_at, b.id from releases b
                                               where b.id = $11 and b.newsroom_id = $1 and b.published_at <= $2)
              order by r.published_at, r.id
              limit $12) r
      order by r.published_at desc, r.id desc`,
    [...valuesOf(newsroom, filter, now), headlineOptions, page.after, page.size],
  )
  return rows.map(headlineOf)
}

/** How many there are in all. */
export async function countShown(db: Db, newsroom: NewsroomId, filter: ListFilter, now: Date): Promise<number> {
  const { rows } = await db.query<{ found: number }>(
    `select count(*)::int as found
       from releases r
      where r.newsroom_id = $1 and r.published_at <= $2 and r.kind <> 'withdrawal'
        and ($3::text[] is null or r.id in (select t.release_id from release_texts t
                                             where t.words @@ asked_words($1, $4, $3)
                                               and ($5::text is null or t.language = $5)))
        and ($5::text is null or exists (select from release_texts t where t.release_id = r.id and t.language = $5))
        and ($6::text is null or $6 = any(r.topics))
        and ($7::text is null or r.kind = $7)
        and ($8::int is null or (r.published_at >= make_timestamptz($8, 1, 1, 0, 0, 0, $9)
                             and r.published_at < make_timestamptz($8 + 1, 1, 1, 0, 0, 0, $9)))`,
    valuesOf(newsroom, filter, now),
  )
  return rows[0]!.found
}

/**
 * A name for all that can be seen of a newsroom at this instant; null where there is none by that slug. It changes with the
 * newsroom's own row (`xmin`), with every release stored and revised, and when the hour of one has come.
 */
export async function stateShown(db: Db, slug: string, now: Date): Promise<string | null> {
  const { rows } = await db.query<{ state: string }>(
    `select concat_ws(' ', n.xmin, (select sum(c.number) from release_changes c where c.newsroom_id = n.id),
                           (select r.id from releases r where r.newsroom_id = n.id and r.published_at <= $2
                             order by r.published_at desc, r.id desc limit 1)) as state
       from newsrooms n where n.slug = $1`,
    [slug, now],
  )
  return rows[0]?.state ?? null
}

/** The years there is something of, newest first: from one to the next by the index, not through all releases. */
export async function yearsShown(db: Db, newsroom: NewsroomId, zone: string, now: Date): Promise<number[]> {
  const { rows } = await db.query<{ year: number }>(
    `with recursive years as (
       select (select extract(year from r.published_at at time zone $3)::int
                 from releases r
                where r.newsroom_id = $1 and r.published_at <= $2 and r.kind <> 'withdrawal'
                order by r.published_at desc, r.id desc limit 1) as year
       union all
       select (select extract(year from r.published_at at time zone $3)::int
                 from releases r
                where r.newsroom_id = $1 and r.published_at <= $2 and r.kind <> 'withdrawal'
                  and r.published_at < make_timestamptz(years.year, 1, 1, 0, 0, 0, $3)
                order by r.published_at desc, r.id desc limit 1)
         from years where years.year is not null
     )
     select year from years where year is not null`,
    [newsroom, now, zone],
  )
  return rows.map(({ year }) => year)
}

/** Whether a release can be turned pages from: it is the newsroom's, and its hour has come. */
export async function isCursor(db: Db, newsroom: NewsroomId, id: ReleaseId, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from releases where id = $2 and newsroom_id = $1 and published_at <= $3`,
    [newsroom, id, now],
  )
  return rowCount === 1
}

/** $1 to $9 of the statements above. */
const valuesOf = (newsroom: NewsroomId, filter: ListFilter, now: Date) => [
  newsroom,
  now,
  filter.words,
  filter.stemmers,
  filter.language,
  filter.topic,
  filter.kind,
  filter.year,
  filter.zone,
]

const headlineOptions = `HighlightAll=true, StartSel="${marks.start}", StopSel="${marks.end}"`

type HeadlineRow = {
  id: ReleaseId
  revision: number
  kind: ReleaseKind
  published_at: Date
  revised_at: Date
  zone: string
  topics: string[]
  texts: ReleaseHeadline['texts'] | null
}

const headlineOf = (row: HeadlineRow): ReleaseHeadline => ({
  id: row.id,
  revision: row.revision,
  kind: row.kind,
  publishedAt: row.published_at,
  revisedAt: row.revised_at,
  zone: row.zone,
  topics: row.topics,
  texts: row.texts ?? {},
})
