import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { ReleaseId } from '../release/release.ts'
import { canEnter, type MailingId } from './mailing.ts'

/** A digest's mailing. Its audience is not cut but dealt: its deliveries are written by whoever makes it. */
export async function insertDigestMailing(
  db: Db,
  draft: { newsroomId: NewsroomId; dueAt: Date | null; paused: boolean },
): Promise<MailingId> {
  const { rows } = await db.query<{ id: MailingId }>(
    `insert into mailings (newsroom_id, kind, state, paused, accepted_at, due_at)
     values ($1, 'digest', 'accepted', $3, now(), coalesce($2, now()))
     returning id`,
    [draft.newsroomId, draft.dueAt, draft.paused],
  )
  return rows[0]!.id
}

/** Lets the letters of a digest leave, now that they are prepared. False: it was stopped, is paused, or they leave already. */
export async function openDigestMailing(db: Db, id: MailingId): Promise<boolean> {
  const { rowCount } = await db.query(
    `update mailings
        set state = 'cutting', started_at = now(), tries = 0, own_faults = 0, tried_at = null, try_until = null,
            next_try_at = null, trouble = null, trouble_since = null
      where id = $1 and kind = 'digest' and state = 'accepted' and not paused`,
    [id],
  )
  return rowCount === 1
}

/**
 * Digests to which nobody is added any more, because their cut is through. One that is being claimed from at this moment is left to
 * the next round: nobody's next mailing waits for it.
 */
export async function closeDigestMailings(db: Db): Promise<void> {
  await db.query(
    `update mailings set state = 'sending'
      where id in (select m.id
                     from mailings m join digests d on d.mailing_id = m.id join digest_cuts c on c.id = d.cut_id
                    where m.kind = 'digest' and m.state = 'cutting' and c.done_at is not null
                    order by m.id for no key update of m skip locked)`,
  )
}

export type ReplacedDigest = { readonly id: MailingId; readonly newsroomId: NewsroomId; readonly paused: boolean }

/**
 * Ends what is unsent of digests that carry a release. `begun`: letters of some may have left. Claims under way hold these
 * rows, as they do those of any mailing.
 */
export async function supersedeDigestMailings(
  db: Db,
  release: ReleaseId,
): Promise<{ replaced: ReplacedDigest[]; begun: boolean }> {
  await db.query(
    `select wait_for_claims(id)
       from (select m.id from mailings m
              where m.id in (select mailing_id from digest_items where release_id = $1) and m.state = any($2)
              order by m.id offset 0) unsent`,
    [release, canEnter('superseded')],
  )
  const { rows } = await db.query<ReplacedDigest & { isReplaced: boolean; begun: boolean }>(
    `with carrying as (
       select m.id, m.newsroom_id, m.paused, m.started_at is not null as begun, m.state = any($2) as ends
         from mailings m
        where m.id in (select mailing_id from digest_items where release_id = $1)
     ), ended as (
       update mailings m set state = 'superseded', paused = false, done_at = now()
         from carrying c
        where m.id = c.id and c.ends and m.state = any($2)
       returning m.id
     )
     select c.id, c.newsroom_id as "newsroomId", c.paused, c.begun, e.id is not null as "isReplaced"
       from carrying c left join ended e on e.id = c.id`,
    [release, canEnter('superseded')],
  )
  return {
    replaced: rows
      .filter(({ isReplaced }) => isReplaced)
      .map(({ id, newsroomId, paused }) => ({ id, newsroomId, paused })),
    begun: rows.some(({ begun }) => begun),
  }
}
