import type { Db } from '../postgres/pool.ts'

export type WaitingChunk = { readonly mailingId: string; readonly n: number; readonly since: Date }

export type MachineFigures = {
  readonly liveMailings: number
  readonly pausedMailings: number
  readonly openChunks: number
  /** Chunks that may be worked now and that nobody holds. */
  readonly dueChunks: number
  /** Chunks whose worker let its lease run out: it died or lost its database. */
  readonly lapsedLeases: number
  readonly oldestDueChunk: WaitingChunk | null
  /** Since when due chunks wait and no worker is at any chunk at all; `null`: none waits, or somebody is at work. */
  readonly stalledSince: Date | null
  /** The chunk that has been taken up for longest, of late too, with no letter coming to an outcome, nor it being let go in good order. */
  readonly longestInVain: WaitingChunk | null
  /** Since when the longest paused mailing could have been under way. */
  readonly pausedSince: Date | null
  /** Whether the database may only be read, as a standby that has not taken over. */
  readonly isReadOnly: boolean
  /** Mailings whose hour has come and whose audience is not cut whole, paused ones aside; those in trouble are told of elsewhere. */
  readonly uncutMailings: number
  readonly oldestUncutSince: Date | null
  /** Confirmation letters and the like that should have left by now. */
  readonly dueNotices: number
  readonly oldestNoticeSince: Date | null
}

/**
 * What is waiting in the whole house, and since when. A paused mailing waits because somebody asked it to.
 *
 * Whether anybody works is read from the chunks alone: a lease runs as long as a worker lives, and letting a chunk go
 * leaves the moment in `next_at`, except where a letter in it is deferred, whose hour stands there instead.
 */
export async function readMachineFigures(db: Db, now: Date): Promise<MachineFigures> {
  const { rows } = await db.query<FiguresRow>(
    `with live as (
       select id, state, paused, paused_at, due_at, window_from, trouble from mailings where state not in ('done', 'cancelled', 'superseded')
     ), unfinished as (
       select c.mailing_id, c.n, c.lease_until, greatest(c.next_at, c.lease_until, l.window_from) as since,
              case when not l.paused and l.state in ('cutting', 'sending')
                    and greatest(c.next_at, c.lease_until) > $1::timestamptz - interval '10 minutes' then c.vain_since end as vain_since,
              not l.paused and l.state not in ('accepted', 'failed') and c.next_at <= $1 and (c.lease_until is null or c.lease_until <= $1) as due
         from chunks c
         join live l on l.id = c.mailing_id
        where c.state <> 'done'
     ), oldest as (
       select mailing_id, n, since from unfinished where due order by since, mailing_id, n limit 1
     ), vain as (
       select mailing_id, n, vain_since from unfinished where vain_since is not null order by vain_since, mailing_id, n limit 1
     ), worked as (
       select greatest(max(case when c.state = 'done' or (c.fence > 0 and c.deferred = 0 and c.lease_until is null)
                                then c.next_at else c.lease_until end),
                       (select max(done_at) from mailings where done_at is not null and forgotten_at is null)) as at
         from live l
        cross join lateral (select state, fence, deferred, lease_until, next_at from chunks where mailing_id = l.id offset 0) c
     ), uncut as (
       select greatest(due_at, window_from) as since
         from live where not paused and state in ('embargoed', 'accepted', 'cutting') and trouble is null and due_at <= $1
     ), late as (
       select next_at from notices where state in ('due', 'claimed', 'deferred') and next_at <= $1
     )
     select (select count(*) from live)::float8 as live_mailings,
            (select count(*) from live where paused)::float8 as paused_mailings,
            (select count(*) from unfinished)::float8 as open_chunks,
            (select count(*) from unfinished where due)::float8 as due_chunks,
            (select count(*) from unfinished where due and lease_until is not null)::float8 as lapsed_leases,
            (select mailing_id::text from oldest) as oldest_mailing,
            (select n from oldest) as oldest_n,
            (select since from oldest) as oldest_since,
            (select greatest(w.at, o.since) from oldest o, worked w where w.at is null or w.at <= $1) as stalled_since,
            (select count(*) from uncut)::float8 as uncut_mailings,
            (select mailing_id::text from vain) as vain_mailing,
            (select n from vain) as vain_n,
            (select vain_since from vain) as vain_since,
            (select min(greatest(paused_at, due_at)) from live where paused and due_at <= $1) as paused_since,
            current_setting('transaction_read_only') = 'on' as read_only,
            (select min(since) from uncut) as oldest_uncut,
            (select count(*) from late)::float8 as due_notices,
            (select min(next_at) from late) as oldest_notice`,
    [now],
  )
  const row = rows[0]!
  return {
    liveMailings: row.live_mailings,
    pausedMailings: row.paused_mailings,
    openChunks: row.open_chunks,
    dueChunks: row.due_chunks,
    lapsedLeases: row.lapsed_leases,
    oldestDueChunk: chunkOf(row.oldest_mailing, row.oldest_n, row.oldest_since),
    stalledSince: row.stalled_since,
    longestInVain: chunkOf(row.vain_mailing, row.vain_n, row.vain_since),
    pausedSince: row.paused_since,
    isReadOnly: row.read_only,
    uncutMailings: row.uncut_mailings,
    oldestUncutSince: row.oldest_uncut,
    dueNotices: row.due_notices,
    oldestNoticeSince: row.oldest_notice,
  }
}

const chunkOf = (mailingId: string | null, n: number | null, since: Date | null): WaitingChunk | null =>
  mailingId === null || n === null || since === null ? null : { mailingId, n, since }

type FiguresRow = {
  live_mailings: number
  paused_mailings: number
  open_chunks: number
  due_chunks: number
  lapsed_leases: number
  oldest_mailing: string | null
  oldest_n: number | null
  oldest_since: Date | null
  stalled_since: Date | null
  vain_mailing: string | null
  vain_n: number | null
  vain_since: Date | null
  paused_since: Date | null
  read_only: boolean
  uncut_mailings: number
  oldest_uncut: Date | null
  due_notices: number
  oldest_notice: Date | null
}

/** How many mailings stand in each state; states without any are absent. */
export async function countMailingsByState(db: Db): Promise<{ readonly state: string; readonly mailings: number }[]> {
  const { rows } = await db.query<{ state: string; mailings: number }>(
    `select state, count(*)::float8 as mailings from mailings group by state`,
  )
  return rows
}

/** Letters of the mailings that are not over, by what became of them. */
export async function sumLiveDeliveries(db: Db): Promise<Readonly<Record<string, number>>> {
  const { rows } = await db.query<Record<string, number>>(
    `select coalesce(sum(sent), 0)::float8 as sent, coalesce(sum(c.deferred), 0)::float8 as deferred,
            coalesce(sum(bounced), 0)::float8 as bounced, coalesce(sum(failed), 0)::float8 as failed,
            coalesce(sum(opted_out), 0)::float8 as opted_out, coalesce(sum(suppressed), 0)::float8 as suppressed,
            coalesce(sum(withdrawn), 0)::float8 as withdrawn, coalesce(sum(in_doubt), 0)::float8 as in_doubt
       from mailings m
      cross join lateral (select * from chunks where mailing_id = m.id offset 0) c
      where m.state not in ('done', 'cancelled', 'superseded')`,
  )
  return rows[0] ?? {}
}
