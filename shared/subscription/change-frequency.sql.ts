import { numberMailings } from '../digest/digest-line.sql.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import { holdDigestLine, type Tx } from '../postgres/advisory-lock.ts'
import type { Db } from '../postgres/pool.ts'
import type { Frequency, SubscriptionId } from './subscription.ts'

/**
 * Changes how often a reader hears from a newsroom, losing and doubling nothing that is under way. Whatever can be seen
 * at this moment and has not reached the reader goes on by the way it was owed until now; what comes later goes by the
 * new one. False: it was so already, or there is no such subscription.
 */
export async function changeFrequency(tx: Tx, id: SubscriptionId, to: Frequency): Promise<boolean> {
  // The row first, in a statement of its own: those after it then see all that its earlier holders have written.
  const { rows } = await tx.query<{ newsroom_id: NewsroomId; frequency: Frequency }>(
    `select newsroom_id, frequency from subscriptions where id = $1 for no key update`,
    [id],
  )
  const was = rows[0]
  if (!was || was.frequency === to) return false
  await holdDigestLine(tx, was.newsroom_id)
  await numberMailings(tx, was.newsroom_id)
  if (to === 'immediate') await turnImmediate(tx, id)
  else if (was.frequency === 'immediate') await turnToDigests(tx, id, to)
  else await tx.query(`update subscriptions set frequency = $2 where id = $1`, [id, to])
  return true
}

/**
 * From digests to letters at once. Left to a last digest is what is not dealt yet, what is still being sent at once to
 * others, and what stands in a digest that has not left.
 */
async function turnImmediate(db: Db, id: SubscriptionId): Promise<void> {
  await db.query(
    `with reader as (
       select s.id, s.newsroom_id, s.activated_at,
              greatest(coalesce(s.dealt, 0),
                       coalesce((select c.head from digest_cuts c
                                  where c.newsroom_id = s.newsroom_id and c.frequency is not null
                                    and c.numbered_at < s.activated_at
                                  order by c.numbered_at desc limit 1), 0)) as low
         from subscriptions s where s.id = $1
     ), unsent as (
       select m.id as mailing_id
         from reader r
         join mailings m on m.newsroom_id = r.newsroom_id and m.state not in ('done', 'cancelled', 'superseded')
        where m.kind = 'digest'
       union all
       select c.replaces from reader r join digest_cuts c on c.newsroom_id = r.newsroom_id
        where c.done_at is null and c.replaces is not null
     ), left_over as (
       select m.id, m.accepted_at
         from reader r
         join mailings m on m.newsroom_id = r.newsroom_id and m.state not in ('done', 'cancelled', 'superseded')
        where m.kind in ('release', 'correction') and m.due_at <= now()
       union
       select m.id, m.accepted_at
         from reader r
         join digest_line l on l.newsroom_id = r.newsroom_id and l.n > r.low
         join mailings m on m.id = l.mailing_id
       union
       select m.id, m.accepted_at
         from reader r
        cross join unsent u
         join deliveries d on d.mailing_id = u.mailing_id and d.subscription_id = r.id
          and d.state in ('due', 'claimed', 'deferred', 'withdrawn')
         join digest_items i on i.mailing_id = u.mailing_id
         join mailings m on m.release_id = i.release_id and m.kind in ('release', 'correction')
     ), theirs as (
       select coalesce(array_agg(o.id order by o.id), '{}') as ids
         from left_over o join reader r on o.accepted_at >= r.activated_at
     )
     update subscriptions s
        set frequency = 'immediate', left_to_digest = t.ids, last_digest_owed = t.ids <> '{}', asks_ledger = true
       from theirs t
      where s.id = $1`,
    [id],
  )
}

/**
 * From letters at once to digests. Dealt is the line as it stands, less what is still being sent at once and has not
 * reached this reader; where a last digest is owed yet, it becomes the first of the new ones. Not looked at again is what is so old
 * that nobody knows any more who had it.
 */
async function turnToDigests(db: Db, id: SubscriptionId, to: Frequency): Promise<void> {
  await db.query(
    `with reader as (
       select s.id, s.newsroom_id, s.activated_at, s.dealt, s.last_digest_owed,
              coalesce((select max(n) from digest_line l where l.newsroom_id = s.newsroom_id), 0) as head
         from subscriptions s where s.id = $1
     ), unwritten as (
       select min(l.n) as n
         from reader r
         join mailings m on m.newsroom_id = r.newsroom_id and m.state not in ('done', 'cancelled', 'superseded')
          and m.accepted_at >= r.activated_at
         join digest_line l on l.mailing_id = m.id
        where not exists (select from deliveries d where d.mailing_id = m.id and d.subscription_id = r.id)
     ), forgotten as (
       -- From the end of the line, of which only the newest numbers are not.
       select (select l.n
                 from digest_line l join mailings m on m.id = l.mailing_id
                where l.newsroom_id = (select newsroom_id from reader) and m.forgotten_at is not null
                order by l.n desc limit 1) as n
     )
     update subscriptions s
        set frequency = $2, left_to_digest = null, last_digest_owed = false, asks_ledger = true,
            dealt = case when r.last_digest_owed then r.dealt else greatest(least(r.head, u.n - 1), f.n) end
       from reader r cross join unwritten u cross join forgotten f
      where s.id = $1`,
    [id, to],
  )
}
