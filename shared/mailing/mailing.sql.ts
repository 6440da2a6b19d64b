import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { ReleaseId } from '../release/release.ts'
import {
  canEnter,
  type Mailing,
  type MailingId,
  type MailingKind,
  type MailingState,
  type Pausing,
  pausableStates,
} from './mailing.ts'
import { mostUnsuspected } from './trouble.ts'

type MailingRow = {
  id: MailingId
  newsroom_id: NewsroomId
  kind: MailingKind
  release_id: ReleaseId | null
  revision: number | null
  state: MailingState
  paused: boolean
  accepted_at: Date
  due_at: Date
}

/** Owes a revision of a release to the subscriptions active now, by the database's clock. */
export async function insertMailing(
  db: Db,
  draft: { newsroomId: NewsroomId; kind: MailingKind; releaseId: ReleaseId; revision: number; dueAt: Date | 'now' },
): Promise<{ id: MailingId; state: MailingState }> {
  const { rows } = await db.query<{ id: MailingId; state: MailingState }>(
    `insert into mailings (newsroom_id, kind, release_id, revision, state, accepted_at, due_at)
     values ($1, $2, $3, $4, case when $5::timestamptz > now() then 'embargoed' else 'accepted' end, now(), coalesce($5, now()))
     returning id, state`,
    [draft.newsroomId, draft.kind, draft.releaseId, draft.revision, draft.dueAt === 'now' ? null : draft.dueAt],
  )
  return rows[0]!
}

export async function findMailing(db: Db, id: MailingId): Promise<Mailing | null> {
  const { rows } = await db.query<MailingRow>(
    `select id, newsroom_id, kind, release_id, revision, state, paused, accepted_at, due_at from mailings where id = $1`,
    [id],
  )
  const row = rows[0]
  return row
    ? {
        id: row.id,
        newsroomId: row.newsroom_id,
        kind: row.kind,
        releaseId: row.release_id,
        revision: row.revision,
        state: row.state,
        paused: row.paused,
        acceptedAt: row.accepted_at,
        dueAt: row.due_at,
      }
    : null
}

/**
 * Lifts the embargoes whose hour has come. The audience stays the one of the acceptance. One whose row somebody else keeps, who
 * pauses or revises it, is looked at in the next turn: the others do not wait for that.
 */
export async function liftDueEmbargoes(db: Db): Promise<MailingId[]> {
  const { rows } = await db.query<{ id: MailingId }>(
    `update mailings set state = 'accepted'
      where id in (select id from mailings where state = 'embargoed' and due_at <= now() for no key update skip locked)
     returning id`,
  )
  return rows.map((row) => row.id)
}

/**
 * Mailings whose letters are not prepared or whose audience is not cut whole, a hundred at the most; a digest's readers are
 * dealt elsewhere. One that is paused, is being prepared or rests after a try in vain is not among them. Newsrooms take turns,
 * however many one of them has published. Digests, of which a morning has hundreds, come after releases, and those that may be
 * at fault themselves last.
 */
export async function uncutMailings(db: Db): Promise<Pick<Mailing, 'id' | 'kind'>[]> {
  const { rows } = await db.query<Pick<Mailing, 'id' | 'kind'>>(
    `select id, kind from mailings
      where (state = 'accepted' and (try_until is null or try_until < now()) and (next_try_at is null or next_try_at <= now())
             or state = 'cutting' and kind <> 'digest')
        and not paused
      order by own_faults > 0 or tries > $1, kind = 'digest',
               row_number() over (partition by newsroom_id, kind = 'digest' order by due_at, id), due_at
      limit 100`,
    [mostUnsuspected],
  )
  return rows
}

export type Walk = {
  readonly from: string
  readonly after: string
  readonly wrapped: boolean
  readonly nextChunk: number
}

/**
 * Begins the fan-out; null: there is none to begin. The walk around the circle of subscriptions starts at a place drawn anew for each
 * mailing, so that the same readers are not always the first. In the transaction that cuts the first stretch: no claim waits for the
 * row yet, and what keeps the stretch from being cut leaves the mailing as it was.
 */
export async function beginWalk(db: Db, id: MailingId): Promise<Walk | null> {
  const { rows } = await db.query<Walk>(
    `with claims_ended as materialized (
       select wait_for_claims($1)
     ), circle as (
       -- Two looks into the index each; as aggregates of a join they would read the whole audience.
       select coalesce((select min(s.id) from subscriptions s where s.newsroom_id = m.newsroom_id), 0) as first,
              coalesce((select max(s.id) from subscriptions s where s.newsroom_id = m.newsroom_id), 0) as last
         from mailings m
        where m.id = $1
     )
     update mailings m
        set state = 'cutting', started_at = coalesce(m.started_at, now()),
            tries = 0, own_faults = 0, tried_at = null, try_until = null, next_try_at = null, trouble = null,
            trouble_since = null,
            cut_from = coalesce(m.cut_from, drawn.place), cut_after = coalesce(m.cut_after, drawn.place)
       from claims_ended, (select first - 1 + floor(random() * (last - first + 1))::bigint as place from circle) drawn
      where m.id = $1 and m.state = any($2) and not m.paused
     returning m.cut_from as "from", m.cut_after as after, m.cut_wrapped as wrapped, m.next_chunk as "nextChunk"`,
    [id, canEnter('cutting')],
  )
  return rows[0] ?? null
}

/** Where the walk stands; null: it has come to its end, or goes no further for now. */
export async function readWalk(db: Db, id: MailingId): Promise<Walk | null> {
  const { rows } = await db.query<Walk>(
    `select cut_from as "from", cut_after as after, cut_wrapped as wrapped, next_chunk as "nextChunk"
       from mailings where id = $1 and state = 'cutting' and not paused`,
    [id],
  )
  return rows[0] ?? null
}

/**
 * Moves the walk on, `done`: the circle is closed; in the transaction that has cut the stretch, and last, because every claim of the
 * mailing waits for its row. The claims on chunks already cut are waited for in turn; else many workers would have to run out of
 * them first. Of a mailing that has been ended meanwhile the walk moves as well: this stretch is closed like those before it.
 */
export async function moveWalk(
  db: Db,
  id: MailingId,
  walk: { after: string; wrapped: boolean; nextChunk: number; done: boolean },
): Promise<void> {
  await db.query(
    `with claims_ended as materialized (
       select wait_for_claims($1)
     )
     update mailings m
        set cut_after = $2, cut_wrapped = $3, next_chunk = $4,
            state = case when $5 and m.state = 'cutting' then 'sending' else m.state end
       from claims_ended
      where m.id = $1`,
    [id, walk.after, walk.wrapped, walk.nextChunk, walk.done],
  )
}

/**
 * Ends a mailing all of whose chunks are done; without an id, every such mailing whose row nobody keeps: behind one of somebody
 * who has stopped in the middle all else that is looked for in a round would wait. `seen` is the row as this statement found it:
 * where somebody has reopened a chunk meanwhile, the row is another and the chunks looked at are stale. One whose last letters
 * ended as it was being paused is over, and paused no more.
 */
export async function finishMailings(db: Db, id: MailingId | null): Promise<number> {
  const { rowCount } = await db.query(
    `with free as (
       select id from mailings o
        where $1::bigint is null and o.state = 'sending'
          and not exists (select from chunks c where c.mailing_id = o.id and c.state <> 'done')
          for no key update skip locked
     )
     update mailings m set state = 'done', done_at = now(), paused = false
       from mailings seen
      where m.state = 'sending' and (m.id = $1 or m.id in (select id from free))
        and not exists (select from chunks c where c.mailing_id = m.id and c.state <> 'done')
        and seen.id = m.id and seen.xmin = m.xmin`,
    [id],
  )
  return rowCount ?? 0
}

/**
 * Ends what is unsent of a release's earlier revisions. `begun`: letters of one of them may have left. Claims under way
 * hold these rows, so that after this commits none is made that does not see it. They are waited for by a statement of its own:
 * what the second one sees, it sees after them.
 */
export async function supersedeMailings(db: Db, release: ReleaseId): Promise<{ begun: boolean }> {
  await db.query(
    `select wait_for_claims(id)
       from (select id from mailings where release_id = $1 and state = any($2) order by id offset 0) unsent`,
    [release, canEnter('superseded')],
  )
  const { rows } = await db.query<{ begun: boolean }>(
    `with ended as (
       update mailings set state = 'superseded', paused = false, done_at = now()
        where release_id = $1 and state = any($2)
     )
     select coalesce(bool_or(started_at is not null), false) as begun from mailings where release_id = $1`,
    [release, canEnter('superseded')],
  )
  return rows[0]!
}

/** Stops a mailing from beginning further letters, or lets it go on: its retry window then counts anew, however long that was. */
export async function setPaused(db: Db, id: MailingId, paused: boolean): Promise<Pausing> {
  const { rows } = await db.query<{ state: MailingState; done: boolean }>(
    `with claims_ended as materialized (
       select wait_for_claims($1)
     ), asked as (
       select m.id, m.state, m.paused from claims_ended cross join mailings m where m.id = $1 for no key update of m
     ), done as (
       update mailings m
          set paused = $2, paused_at = case when $2 then now() end,
              window_from = case when $2 or m.started_at is null then m.window_from else now() end,
              trouble_since = case when $2 or m.trouble_since is null then m.trouble_since else now() end
         from asked a
        where m.id = a.id and a.state = any($3) and a.paused <> $2
       returning m.id
     )
     select state, exists (select from done) as done from asked`,
    [id, paused, pausableStates],
  )
  // One that is not there any more was over long ago.
  const found = rows[0]
  if (!found || !pausableStates.includes(found.state)) return 'over'
  if (!found.done) return 'already'
  return found.state === 'failed' ? 'done, given up' : 'done'
}

/** Ends a mailing early: what is unsent stays unsent. */
export async function cancelMailing(db: Db, id: MailingId): Promise<boolean> {
  const { rowCount } = await db.query(
    `with claims_ended as materialized (
       select wait_for_claims($1)
     )
     update mailings set state = 'cancelled', paused = false, done_at = now()
       from claims_ended
      where id = $1 and state = any($2)`,
    [id, canEnter('cancelled')],
  )
  return rowCount === 1
}
