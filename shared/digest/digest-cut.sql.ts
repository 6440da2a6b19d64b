import type { MailingId } from '../mailing/mailing.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { DigestCutId, DigestFrequency } from './digest.ts'
import type { DigestDay } from './digest-day.ts'

/** A walk that deals digests; see decision 0020. */
export type DigestCut = {
  readonly id: DigestCutId
  readonly newsroomId: NewsroomId
  readonly frequency: DigestFrequency | null
  readonly head: string | null
  readonly hourAt: Date | null
  /** The mailing it makes up for, because a revision replaced it. */
  readonly replaces: MailingId | null
  readonly paused: boolean
  readonly reached: string
}

/** Newsrooms with the hours of their digests, and the last day each frequency was cut. */
export type DigestHours = {
  readonly newsroomId: NewsroomId
  readonly zone: string
  readonly digestHour: number
  readonly digestWeekday: number
  readonly createdAt: Date
  readonly lastDays: Readonly<Record<DigestFrequency, string | null>>
}

export async function listDigestHours(db: Db): Promise<DigestHours[]> {
  const { rows } = await db.query<Omit<DigestHours, 'lastDays'> & { daily: string | null; weekly: string | null }>(
    `select n.id as "newsroomId", n.zone, n.digest_hour as "digestHour", n.digest_weekday as "digestWeekday",
            n.created_at as "createdAt",
            (select max(day)::text from digest_cuts c where c.newsroom_id = n.id and c.frequency = 'daily') as daily,
            (select max(day)::text from digest_cuts c where c.newsroom_id = n.id and c.frequency = 'weekly') as weekly
       from newsrooms n`,
  )
  return rows.map(({ daily, weekly, ...hours }) => ({ ...hours, lastDays: { daily, weekly } }))
}

/**
 * Opens the cut of a day, and with it fixes what is dealt: the line as it stands. One of an earlier day that is not
 * through yet ends: whom it has not reached, this one does. False: the day was cut already.
 *
 * It is dated now and not when its transaction began, which may have waited for the line: what it has numbered was accepted before.
 */
export async function openCut(
  db: Db,
  newsroom: NewsroomId,
  frequency: DigestFrequency,
  { day, at }: DigestDay,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with ended as (
       update digest_cuts set done_at = now()
        where newsroom_id = $1 and frequency = $2 and day < $3 and done_at is null
     )
     insert into digest_cuts (newsroom_id, frequency, day, hour_at, head, numbered_at)
     select $1, $2, $3, $4, coalesce(max(n), 0), clock_timestamp() from digest_line where newsroom_id = $1
     on conflict do nothing`,
    [newsroom, frequency, day, at],
  )
  return rowCount === 1
}

/** Opens a cut for each digest a revision has replaced: its readers are owed another. */
export async function openReplacingCuts(
  db: Db,
  replaced: readonly { readonly id: MailingId; readonly newsroomId: NewsroomId; readonly paused: boolean }[],
): Promise<void> {
  await db.query(
    `insert into digest_cuts (newsroom_id, replaces, paused, numbered_at)
     select r.newsroom_id, r.id, r.paused, now()
       from unnest($1::bigint[], $2::uuid[], $3::boolean[]) as r (id, newsroom_id, paused)
     on conflict do nothing`,
    [replaced.map(({ id }) => id), replaced.map(({ newsroomId }) => newsroomId), replaced.map(({ paused }) => paused)],
  )
}

/** In an order that is another each time: one whose first step takes a whole turn, or breaks off in it, is not always the first. */
export async function listOpenCuts(db: Db): Promise<{ id: DigestCutId; newsroomId: NewsroomId }[]> {
  const { rows } = await db.query<{ id: DigestCutId; newsroomId: NewsroomId }>(
    `select id, newsroom_id as "newsroomId" from digest_cuts where done_at is null order by random()`,
  )
  return rows
}

/** The hour of the oldest cut of each newsroom that is not through. */
export async function listOpenHours(db: Db): Promise<ReadonlyMap<NewsroomId, Date>> {
  const { rows } = await db.query<{ newsroomId: NewsroomId; since: Date }>(
    `select newsroom_id as "newsroomId", min(hour_at) as since
       from digest_cuts where done_at is null and frequency is not null group by 1`,
  )
  return new Map(rows.map(({ newsroomId, since }) => [newsroomId, since]))
}

/** Takes an open cut for one step of its walk; steps of one cut take turns. Null: it is done. */
export async function lockCut(db: Db, id: DigestCutId): Promise<DigestCut | null> {
  const { rows } = await db.query<DigestCut>(
    `select id, newsroom_id as "newsroomId", frequency, head, hour_at as "hourAt", replaces, paused, reached
       from digest_cuts where id = $1 and done_at is null for update`,
    [id],
  )
  return rows[0] ?? null
}

export async function moveCut(db: Db, id: DigestCutId, reached: string): Promise<void> {
  await db.query(`update digest_cuts set reached = $2 where id = $1`, [id, reached])
}

export async function closeCut(db: Db, id: DigestCutId): Promise<void> {
  await db.query(`update digest_cuts set done_at = now() where id = $1`, [id])
}
