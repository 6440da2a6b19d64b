import type { Db } from '../postgres/pool.ts'
import { canEnter, type MailingId, type MailingState } from './mailing.ts'
import {
  endedInTheMiddle,
  mostOwnFaults,
  mostUnsuspected,
  ordinaryTry,
  tryLease,
  waitAfter,
  waitAfterOurFault,
  waitAfterVanishing,
} from './trouble.ts'

/** One try at preparing a mailing; its number keeps a try that was overtaken from having a say. */
export type Try = {
  readonly mailingId: MailingId
  readonly n: number
  /** Why the one before did not succeed. */
  readonly trouble: string | null
  /** It ends whichever process makes it, and has for as long as tries go on: this one is not to be made. */
  readonly isLate: boolean
}

/**
 * Begins a try, if the mailing is due for one and in nobody's hands. It is counted before it is made, with its wait, so
 * that one which ends its process counts like any other.
 *
 * One whose row somebody keeps, as who cuts its first stretch does, is not waited for: the job's place is others' as well.
 *
 * What takes long leaves room for others: of one newsroom's mailings none is begun while another is taking longer than
 * usual, and of those that may be at fault themselves there is one in hand at a time.
 */
export async function beginTry(db: Db, id: MailingId, giveUpAfter: number): Promise<Try | null> {
  const { rows } = await db.query<{ n: number; trouble: string | null; late: boolean }>(
    `update mailings m
        set tries = m.tries + 1, tried_at = now(), try_until = now() + $2 * interval '1 second',
            next_try_at = now() + ($5::float8[])[least(m.tries + 1, 9)] * interval '1 second',
            trouble = case when m.try_until is null then m.trouble else $4 end,
            trouble_since = coalesce(m.trouble_since, case when m.try_until is not null then now() end)
      where m.id = (select id from mailings where id = $1 for no key update skip locked)
        and m.state = 'accepted' and not m.paused
        and (m.try_until is null or m.try_until < now()) and (m.next_try_at is null or m.next_try_at <= now())
        and not exists (
              select from mailings o
               where o.state = 'accepted' and o.id <> m.id and o.try_until > now()
                 and (o.newsroom_id = m.newsroom_id and o.tried_at < now() - $3 * interval '1 second'
                      or (o.own_faults > 0 or o.tries > $7 + 1) and (m.own_faults > 0 or m.tries > $7)))
     returning tries as n, trouble, coalesce(trouble = $4 and trouble_since < now() - $6 * interval '1 second', false) as late`,
    [id, tryLease, ordinaryTry, endedInTheMiddle, waits, giveUpAfter, mostUnsuspected],
  )
  const row = rows[0]
  return row ? { mailingId: id, n: row.n, trouble: row.trouble, isLate: row.late } : null
}

/** After the ninth try the wait is as long as it gets. */
const waits = Array.from({ length: 9 }, (_, index) => waitAfterVanishing(index + 1))

/** Keeps a try; false: it is over, or another has taken its place. */
export async function renewTry(db: Db, { mailingId, n }: Try): Promise<boolean> {
  const { rowCount } = await db.query(
    `update mailings set try_until = now() + $3 * interval '1 second' where id = $1 and tries = $2 and state = 'accepted'`,
    [mailingId, n, tryLease],
  )
  return rowCount === 1
}

/** Ends a try that has succeeded, so that the next job may go on with what it has prepared. */
export async function endTry(db: Db, { mailingId, n }: Try): Promise<void> {
  await db.query(
    `update mailings set try_until = null, next_try_at = null where id = $1 and tries = $2 and state = 'accepted'`,
    [mailingId, n],
  )
}

/**
 * Writes down why a try did not succeed, and gives the mailing up where it was the last. Null: there is nothing to write,
 * because the mailing is under way, was stopped, or is tried by another.
 */
export async function noteTrouble(
  db: Db,
  { mailingId, n }: Try,
  { reason, isOwn, giveUpAfter }: { reason: string; isOwn: boolean; giveUpAfter: number },
): Promise<{ state: MailingState; nextAt: Date | null } | null> {
  const { rows } = await db.query<{ state: MailingState; nextAt: Date | null }>(
    `with judged as (
       select id, own_faults + $4::int as faults,
              own_faults + $4::int >= $5 or trouble_since < now() - $6 * interval '1 second' as is_last
         from mailings where id = $1 and tries = $2 and state = any($8) for no key update
     )
     update mailings m
        set own_faults = j.faults, trouble = $3, trouble_since = coalesce(m.trouble_since, now()), try_until = null,
            state = case when j.is_last then 'failed' else m.state end,
            next_try_at = case when j.is_last then null else now() + $7 * interval '1 second' end
       from judged j
      where m.id = j.id
     returning m.state, m.next_try_at as "nextAt"`,
    [
      mailingId,
      n,
      reason,
      isOwn ? 1 : 0,
      mostOwnFaults,
      giveUpAfter,
      isOwn ? waitAfter(n) : waitAfterOurFault(n),
      canEnter('failed'),
    ],
  )
  return rows[0] ?? null
}

/** Sets a mailing going that was given up, or one that waits for its next try. False: there is nothing to set going. */
export async function tryAgain(db: Db, id: MailingId): Promise<boolean> {
  const { rowCount } = await db.query(
    `update mailings
        set state = 'accepted', paused = false, tries = 0, own_faults = 0, tried_at = null, try_until = null,
            next_try_at = null, trouble = null, trouble_since = null
      where id = $1
        and (state = 'failed' or state = 'accepted' and trouble is not null and (try_until is null or try_until < now()))`,
    [id],
  )
  return rowCount === 1
}
