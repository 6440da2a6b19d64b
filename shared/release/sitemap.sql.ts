import type { Language } from '../language/language.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { ReleaseId } from './release.ts'

/** A release as a sitemap names it: where it is, in which languages, and when it last changed. */
export type SitemapEntry = {
  readonly slug: string
  readonly id: ReleaseId
  readonly languages: readonly Language[]
  readonly changedAt: Date
}

/** Every release anybody may see, newest first, up to a number. */
export async function listForSitemap(db: Db, most: number, now: Date): Promise<SitemapEntry[]> {
  const { rows } = await db.query<SitemapEntry>(
    `select n.slug, r.id, array(select t.language from release_texts t where t.release_id = r.id order by 1) as languages,
            case when r.revision > 1 then greatest(r.published_at, r.revised_at) else r.published_at end as "changedAt"
       from releases r join newsrooms n on n.id = r.newsroom_id
      where r.published_at <= $1 and r.kind <> 'withdrawal'
      order by r.id desc
      limit $2`,
    [now, most],
  )
  return rows
}

/** Those of one newsroom and one year, as its own zone counts years. */
export async function listYearForSitemap(
  db: Db,
  newsroom: Pick<Newsroom, 'id' | 'slug' | 'zone'>,
  year: number,
  most: number,
  now: Date,
): Promise<SitemapEntry[]> {
  const { rows } = await db.query<SitemapEntry>(
    `select $1 as slug, r.id, array(select t.language from release_texts t where t.release_id = r.id order by 1) as languages,
            case when r.revision > 1 then greatest(r.published_at, r.revised_at) else r.published_at end as "changedAt"
       from releases r
      where r.newsroom_id = $2 and r.published_at <= $3 and r.kind <> 'withdrawal'
        and r.published_at >= make_timestamptz($4, 1, 1, 0, 0, 0, $5)
        and r.published_at < make_timestamptz($4 + 1, 1, 1, 0, 0, 0, $5)
      order by r.published_at desc, r.id desc
      limit $6`,
    [newsroom.slug, newsroom.id, now, year, newsroom.zone, most],
  )
  return rows
}
