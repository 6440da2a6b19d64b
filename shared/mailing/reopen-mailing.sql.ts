import type { Db } from '../postgres/pool.ts'
import { canEnter, type MailingId, type MailingState, sendingStates } from './mailing.ts'

/**
 * Keeps what a mailing carries, one release or a digest's several, from being amended until the transaction ends.
 * Whether all of it still stands so: false when a later revision says otherwise.
 */
export async function holdRevisions(db: Db, id: MailingId): Promise<boolean> {
  const { rows } = await db.query<{ stands: boolean }>(
    `select r.revision = coalesce(m.revision, i.revision) as stands
       from mailings m
       left join digest_items i on i.mailing_id = m.id
       join releases r on r.id = coalesce(m.release_id, i.release_id)
      where m.id = $1
      order by r.id
        for share of r`,
    [id],
  )
  return rows.every(({ stands }) => stands)
}

/** Keeps a mailing in the state it is in until the transaction ends. */
export async function holdMailing(db: Db, id: MailingId): Promise<MailingState | null> {
  const { rows } = await db.query<{ state: MailingState }>(
    `with claims_ended as materialized (
       select wait_for_claims($1)
     )
     select m.state from claims_ended cross join mailings m where m.id = $1 for no key update of m`,
    [id],
  )
  return rows[0]?.state ?? null
}

/** The states in which letters of a mailing may be sent, or sent again. */
export const reopenStates: readonly MailingState[] = [...new Set([...sendingStates, ...canEnter('sending')])]

/**
 * Lets a mailing send again. The row is written whatever its state: that is what keeps an ending under way from
 * overlooking the reopened chunk. Its retry window counts from now: the letters get their time, however long ago it began.
 */
export async function reopenMailing(db: Db, id: MailingId): Promise<void> {
  await db.query(
    `update mailings
        set state = case when state = 'done' then 'sending' else state end, done_at = null,
            window_from = now()
      where id = $1 and state = any($2)`,
    [id, reopenStates],
  )
}
