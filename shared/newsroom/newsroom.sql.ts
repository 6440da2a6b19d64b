import type { Language } from '../language/language.ts'
import type { Db } from '../postgres/pool.ts'
import type { Newsroom, NewsroomId, Topic } from './newsroom.ts'
import { isSlug } from './newsroom.ts'

/** Writes a newsroom; `false` when its slug is taken, and then nothing is changed. */
export async function insertNewsroom(db: Db, newsroom: Newsroom, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into newsrooms (id, slug, name, languages, default_language, zone, sender_address, sender_name, reply_to,
                            legal_name, postal_address, website, logo_url, accent, about, topics, digest_hour, digest_weekday,
                            allowed_origins, created_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20)
     on conflict (slug) do nothing`,
    [
      newsroom.id,
      newsroom.slug,
      newsroom.name,
      newsroom.languages,
      newsroom.defaultLanguage,
      newsroom.zone,
      newsroom.senderAddress,
      newsroom.senderName,
      newsroom.replyTo,
      newsroom.legalName,
      newsroom.postalAddress,
      newsroom.website,
      newsroom.logoUrl,
      newsroom.accent,
      JSON.stringify(newsroom.about),
      JSON.stringify(newsroom.topics),
      newsroom.digestHour,
      newsroom.digestWeekday,
      newsroom.allowedOrigins,
      now,
    ],
  )
  return rowCount === 1
}

/** Changes everything about a newsroom but its id and its slug. */
export async function updateNewsroom(db: Db, newsroom: Newsroom, now: Date): Promise<void> {
  await db.query(
    `update newsrooms
        set name = $2, languages = $3, default_language = $4, zone = $5, sender_address = $6, sender_name = $7,
            reply_to = $8, legal_name = $9, postal_address = $10, website = $11, logo_url = $12, accent = $13,
            about = $14, topics = $15, digest_hour = $16, digest_weekday = $17, allowed_origins = $18, changed_at = $19
      where id = $1`,
    [
      newsroom.id,
      newsroom.name,
      newsroom.languages,
      newsroom.defaultLanguage,
      newsroom.zone,
      newsroom.senderAddress,
      newsroom.senderName,
      newsroom.replyTo,
      newsroom.legalName,
      newsroom.postalAddress,
      newsroom.website,
      newsroom.logoUrl,
      newsroom.accent,
      JSON.stringify(newsroom.about),
      JSON.stringify(newsroom.topics),
      newsroom.digestHour,
      newsroom.digestWeekday,
      newsroom.allowedOrigins,
      now,
    ],
  )
}

/** How many readers chose only topics out of these, and how many read in one of these languages. */
export async function countLeftBehind(
  db: Db,
  newsroom: NewsroomId,
  gone: { readonly topics: readonly string[]; readonly languages: readonly Language[] },
): Promise<{ byTopic: number; byLanguage: number }> {
  const { rows } = await db.query<{ byTopic: number; byLanguage: number }>(
    `select count(*) filter (where topics <> '{}' and topics <@ $2)::int as "byTopic",
            count(*) filter (where language = any($3))::int as "byLanguage"
       from subscriptions
      where newsroom_id = $1 and state = 'active'`,
    [newsroom, gone.topics, gone.languages],
  )
  return rows[0]!
}

export async function findNewsroom(db: Db, slug: string): Promise<Newsroom | null> {
  // PostgreSQL has its own view of a NUL, and anybody may put one into a path.
  if (!isSlug(slug)) return null
  const { rows } = await db.query<NewsroomRow>({
    name: 'find-newsroom',
    text: `select id, slug, name, languages, default_language, zone, sender_address, sender_name, reply_to,
            legal_name, postal_address, website, logo_url, accent, about, topics, digest_hour, digest_weekday,
            allowed_origins
       from newsrooms
      where slug = $1`,
    values: [slug],
  })
  return rows[0] ? newsroomOf(rows[0]) : null
}

export async function findNewsroomById(db: Db, id: NewsroomId): Promise<Newsroom | null> {
  const { rows } = await db.query<NewsroomRow>({
    name: 'find-newsroom-by-id',
    text: `select id, slug, name, languages, default_language, zone, sender_address, sender_name, reply_to,
            legal_name, postal_address, website, logo_url, accent, about, topics, digest_hour, digest_weekday,
            allowed_origins
       from newsrooms
      where id = $1`,
    values: [id],
  })
  return rows[0] ? newsroomOf(rows[0]) : null
}

/** Every newsroom, by slug: they are few, an installation has some dozens. */
export async function listNewsrooms(db: Db): Promise<Newsroom[]> {
  const { rows } = await db.query<NewsroomRow>(
    `select id, slug, name, languages, default_language, zone, sender_address, sender_name, reply_to,
            legal_name, postal_address, website, logo_url, accent, about, topics, digest_hour, digest_weekday,
            allowed_origins
       from newsrooms
      order by slug`,
  )
  return rows.map(newsroomOf)
}

type NewsroomRow = {
  id: NewsroomId
  slug: string
  name: string
  languages: Language[]
  default_language: Language
  zone: string
  sender_address: string
  sender_name: string
  reply_to: string | null
  legal_name: string
  postal_address: string
  website: string | null
  logo_url: string | null
  accent: string
  about: Partial<Record<Language, string>>
  topics: Topic[]
  digest_hour: number
  digest_weekday: number
  allowed_origins: string[]
}

const newsroomOf = (row: NewsroomRow): Newsroom => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  languages: row.languages,
  defaultLanguage: row.default_language,
  zone: row.zone,
  senderAddress: row.sender_address,
  senderName: row.sender_name,
  replyTo: row.reply_to,
  legalName: row.legal_name,
  postalAddress: row.postal_address,
  website: row.website,
  logoUrl: row.logo_url,
  accent: row.accent,
  about: row.about,
  topics: row.topics,
  digestHour: row.digest_hour,
  digestWeekday: row.digest_weekday,
  allowedOrigins: row.allowed_origins,
})
