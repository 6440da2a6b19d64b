import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import { waited } from '../queues/waited.ts'
import { chunkLease, type HeldChunk } from './delivery.ts'

export type ChunkName = { readonly mailingId: MailingId; readonly n: number }
export type WakeableChunk = ChunkName & {
  readonly rank: number
  readonly fence: string
  /** Not given, or null: nobody holds it. */
  readonly abandoned?: AbandonedLease | null
  /** For how long it has been due, by doubling; see `waited`. Not given: it has just become so. */
  readonly waited?: number
}
/** A lease that ran out: until when it was, as PostgreSQL writes it, and a number that grows with the root of the time since. */
export type AbandonedLease = { readonly until: string; readonly age: number }

/**
 * Cuts the next stretch of the audience into chunks: of the next `chunks` × `size` subscriptions with `after < id <= upto` those
 * that are owed it. However few they are, as of a withdrawal, a stretch is no longer, and nor is what a chunk spans.
 * Ranks are shuffled within the stretch; a mailing's first is 0. Returns the chunks, and the last subscription looked at (`null`:
 * none were left).
 */
export async function cutChunks(
  db: Db,
  stretch: { mailingId: MailingId; after: string; upto: string; firstN: number; size: number; chunks: number },
): Promise<{ cut: WakeableChunk[]; last: string | null }> {
  const { rows } = await db.query<{ n: number | null; rank: number; last: string | null }>(
    `with mailed as materialized (
       select m.newsroom_id, m.kind, m.accepted_at, m.due_at, m.release_id, r.topics
         from mailings m left join releases r on r.id = m.release_id
        where m.id = $1
     ), stretch as materialized (
       select max(id) as last
         from (select s.id from subscriptions s
                where s.newsroom_id = (select newsroom_id from mailed) and s.id > $2 and s.id <= $3
                order by s.id limit $5::int * $6::int) looked
     ), audience as (
       select s.id, row_number() over (order by s.id) - 1 as place
         from subscriptions s
        cross join mailed m
        where s.newsroom_id = (select newsroom_id from mailed) and s.id > $2 and s.id <= (select last from stretch)
          and is_owed(s, $1, m.kind, m.accepted_at, m.due_at, m.topics,
                      s.id in (select reader from who_has((select release_id from mailed), $1, $2, (select last from stretch))))
     ), slices as (
       select (place / $5::int)::int as slice, max(id) as upto_id, count(*)::int as size
         from audience group by 1
     ), drawn as (
       select *, row_number() over (order by random()) - 1 as place from slices
     ), ranks as materialized (
       -- The first needs none of those that are taken in turn, whether others are cut with it or only it.
       select greatest(ranks_from($1), 1) - ($4::int = 0)::int as start
     ), cut as (
       insert into chunks (mailing_id, n, after_id, upto_id, size, rank, state, next_at)
       select $1, $4 + slice, lag(upto_id, 1, $2::bigint) over (order by slice), upto_id, size,
              case when $4 + place = 0 then 0 else ranks.start + place end, 'cut', now()
         from drawn cross join ranks
       returning n, rank
     )
     select stretch.last, cut.n, cut.rank from stretch left join cut on true`,
    [stretch.mailingId, stretch.after, stretch.upto, stretch.firstN, stretch.size, stretch.chunks],
  )
  return {
    cut: rows.flatMap(({ n, rank }) => (n === null ? [] : [{ mailingId: stretch.mailingId, n, rank, fence: '0' }])),
    last: rows[0]!.last,
  }
}

export type Lease = { readonly chunk: HeldChunk; readonly fresh: boolean }

/**
 * Takes a chunk that is due and in nobody's hands. `fresh`: its deliveries are not written yet.
 *
 * That a lease has run out is not enough: whoever asks may have asked before the database hung, and be heard before the holder can
 * renew. It must be the very lease that {@link dueChunks} has found abandoned, and nobody may have renewed it since.
 *
 * @param abandoned until when that was
 */
export async function leaseChunk(db: Db, { mailingId, n }: ChunkName, abandoned: string | null): Promise<Lease | null> {
  const { rows } = await db.query<{ fence: string; state: string }>({
    name: 'lease-chunk',
    text: `update chunks c
        set fence = c.fence + 1, lease_until = now() + $3 * interval '1 second',
            -- Not for as long as nobody had it in hand at all: then the workers were away, or the mailing was paused.
            vain_since = case when c.vain_since is null or greatest(c.next_at, c.lease_until) < now() - interval '10 minutes'
                              then now() else c.vain_since end
       from mailings m
      where c.mailing_id = $1 and c.n = $2 and m.id = c.mailing_id
        and c.state <> 'done' and (c.next_at <= now() or m.state in ('cancelled', 'superseded'))
        and not m.paused and m.state not in ('accepted', 'failed')
        and (c.lease_until is null or (c.lease_until = $4::timestamptz and c.lease_until < now()))
     returning c.fence, c.state`,
    values: [mailingId, n, chunkLease, abandoned],
  })
  const row = rows[0]
  return row ? { chunk: { mailingId, n, fence: row.fence }, fresh: row.state === 'cut' } : null
}

/**
 * The same lease under a later fence, as if another had taken the chunk over: what its holder claimed before is abandoned, and a
 * claim that is still on its way takes nothing. False: a later lease has taken it over.
 *
 * @param fence drawn by the caller, so that it knows its own where an earlier answer was lost
 */
export async function leaseAnew(db: Db, chunk: HeldChunk, fence: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `update chunks set fence = $4, lease_until = now() + $5 * interval '1 second'
      where mailing_id = $1 and n = $2 and fence in ($3, $4) and lease_until is not null`,
    [chunk.mailingId, chunk.n, chunk.fence, fence, chunkLease],
  )
  return rowCount === 1
}

/**
 * Keeps the leases a process still works under, and returns them as `mailing n fence`, with the database's hour in milliseconds. One
 * replaced by a later stays lost, also by a later of the same process, and one given back while this was under way stays given back.
 */
export async function renewLeases(
  db: Db,
  held: readonly HeldChunk[],
): Promise<{ renewed: readonly string[]; hour: number }> {
  const { rows } = await db.query<{ renewed: string[]; hour: number }>(
    `with held as (
       select c.mailing_id, c.n
         from unnest($1::bigint[], $2::int[], $3::bigint[]) as h (mailing_id, n, fence)
         join chunks c on c.mailing_id = h.mailing_id and c.n = h.n
        where c.fence = h.fence and c.lease_until is not null
        order by c.mailing_id, c.n for update of c
     ), renewed as (
       update chunks c
          set lease_until = now() + $4 * interval '1 second'
         from held h
        where c.mailing_id = h.mailing_id and c.n = h.n
       returning c.mailing_id || ' ' || c.n || ' ' || c.fence as lease
     )
     select array(select lease from renewed) as renewed, extract(epoch from now())::float8 * 1000 as hour`,
    [held.map((chunk) => chunk.mailingId), held.map((chunk) => chunk.n), held.map((chunk) => chunk.fence), chunkLease],
  )
  return rows[0]!
}

export type Closed = {
  readonly state: 'done' | 'open'
  /** Whether there is something to do in it now. */
  readonly isDue: boolean
  readonly next: WakeableChunk
  /** Chunks of the mailing that are not done, this one aside; counted up to twenty. */
  readonly others: number
}

/**
 * Lets go of a chunk: done when nothing in it is owed any more, else due when its first letter is, and not before
 * `rest` seconds have passed. Null: a later lease has taken it over.
 *
 * @param isInOrder else it was a fault that ended its turn, and whoever watches is to know since when there were only such
 */
export async function closeChunk(
  db: Db,
  { mailingId, n, fence }: HeldChunk,
  rest: number,
  isInOrder = true,
): Promise<Closed | null> {
  const { rows } = await db.query<{ state: 'done' | 'open'; due: boolean; rank: number; others: number }>({
    name: 'close-chunk',
    // What this statement counts it has seen as it began. Where it had to wait, for a first writing of the letters whose answer was
    // lost, the row is another by then, open, and the letters are not counted: so it is done only where it was open before.
    text: `with owed as (
       select count(*) as letters, (select state from chunks where mailing_id = $1 and n = $2) as seen, min(coalesce(d.until, now())) as first,
              -- What is unsent of it is closed, whatever its hour.
              exists (select from mailings where id = $1 and state in ('cancelled', 'superseded')) as is_ended
         from chunks c
         join deliveries d on d.mailing_id = c.mailing_id and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
        where c.mailing_id = $1 and c.n = $2 and d.state in ('due', 'claimed', 'deferred')
     )
     update chunks c
        set state = case when c.state = 'open' and owed.seen = 'open' and owed.letters = 0 then 'done' else c.state end,
            next_at = greatest(case when owed.is_ended then now() else coalesce(owed.first, now()) end,
                               now() + $4 * interval '1 second'), lease_until = null,
            vain_since = case when $5 or owed.first > now() then null else c.vain_since end
       from owed
      where c.mailing_id = $1 and c.n = $2 and c.fence = $3
     returning case when c.state = 'done' then 'done' else 'open' end as state, c.next_at <= now() as due, c.rank,
               (select count(*) from (select from chunks o
                                       where o.mailing_id = $1 and o.n <> $2 and o.state <> 'done' limit 20) as open_ones)::int as others`,
    values: [mailingId, n, fence, rest, isInOrder],
  })
  const row = rows[0]
  return row
    ? { state: row.state, isDue: row.due, next: { mailingId, n, rank: row.rank, fence }, others: row.others }
    : null
}

/**
 * Chunks that are due and in nobody's hands: the abandoned, of which there are never many, and then the lowest ranks; a quarter of
 * them those that have been due for longest, because where many come back every few seconds they are always the same.
 *
 * @param heardUntil the database's hour, in milliseconds, up to which every holder could have renewed: a lease that had run out
 * by then is abandoned, if it has by now: the server's clock may have been set back. Null: nobody can tell, and none is.
 */
export async function dueChunks(db: Db, most: number, heardUntil: number | null): Promise<WakeableChunk[]> {
  const { rows } = await db.query<WakeableChunk>({
    text: `with due as (
       select c.mailing_id, c.n, c.rank, c.fence, c.lease_until, least(c.next_at, m.done_at) as since,
              row_number() over (order by c.lease_until is null, c.rank, c.mailing_id) as turn,
              row_number() over (order by c.next_at, c.rank, c.mailing_id) as age
         from mailings m
         join chunks c on c.mailing_id = m.id
        where m.state not in ('accepted', 'failed', 'done') and not m.paused
          -- What is unsent of a mailing that was ended is closed at once, also letters that wait for another try.
          and c.state <> 'done' and (c.next_at <= now() or m.state in ('cancelled', 'superseded'))
          and (c.lease_until is null or (c.lease_until < to_timestamp($2::float8 / 1000) and c.lease_until < now()))
     )
     select mailing_id as "mailingId", n, rank, fence,
            case when lease_until is not null then json_build_object('until', lease_until::text,
              'age', floor(2 * sqrt(greatest(0, extract(epoch from now() - lease_until))))::int) end as abandoned,
            ${waited('since')} as waited
       from due
      order by turn <= $1 * 3 / 4 or age <= $1 / 4 desc, turn
      limit $1`,
    values: [most, heardUntil],
  })
  return rows
}

/** Those of one mailing, as long as letters of it may leave. */
export async function dueChunksOf(db: Db, mailing: MailingId): Promise<WakeableChunk[]> {
  const { rows } = await db.query<WakeableChunk>(
    `select c.mailing_id as "mailingId", c.n, c.rank, c.fence
       from mailings m
       join chunks c on c.mailing_id = m.id
      where m.id = $1 and m.state in ('cutting', 'sending') and not m.paused
        and c.state <> 'done' and c.next_at <= now() and c.lease_until is null
      order by c.rank
      limit 1000`,
    [mailing],
  )
  return rows
}
