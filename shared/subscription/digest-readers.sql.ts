import type { DigestFrequency } from '../digest/digest.ts'
import type { MailingId } from '../mailing/mailing.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from './subscription.ts'

/**
 * The next readers of a newsroom's digests after `after`, kept as they are until the transaction ends; a last digest
 * leaves with the daily ones. Whoever is on pause keeps their place on the line.
 */
export async function lockDigestReaders(
  db: Db,
  newsroom: NewsroomId,
  frequency: DigestFrequency,
  after: string,
  most: number,
): Promise<SubscriptionId[]> {
  const { rows } = await db.query<{ id: SubscriptionId }>(
    `select id from subscriptions
      where newsroom_id = $1 and id > $3 and (frequency <> 'immediate' or last_digest_owed)
        and (frequency = $2 or frequency = 'immediate' and $2 = 'daily')
        and state = 'active' and (paused_until is null or paused_until <= now())
      order by id limit $4
        for no key update`,
    [newsroom, frequency, after, most],
  )
  return rows.map(({ id }) => id)
}

/** Of these, whoever still follows since a mailing was made; likewise kept as they are. */
export async function lockReaders(db: Db, ids: readonly SubscriptionId[], since: MailingId): Promise<SubscriptionId[]> {
  const { rows } = await db.query<{ id: SubscriptionId }>(
    `select s.id from subscriptions s join mailings m on m.id = $2
      where s.id = any($1::bigint[]) and s.state = 'active' and s.activated_at <= m.accepted_at
      order by s.id
        for no key update of s`,
    [ids, since],
  )
  return rows.map(({ id }) => id)
}

/**
 * Moves these readers' cursors up to `head`. A last digest stays owed while something that was left to it is still to be
 * numbered, or lies further up.
 */
export async function moveCursors(db: Db, ids: readonly SubscriptionId[], head: string): Promise<void> {
  await db.query(
    `update subscriptions s
        set dealt = greatest(s.dealt, $2), last_digest_owed = o.is_owed, asks_ledger = o.is_owed
       from subscriptions r
      cross join lateral (
        select r.last_digest_owed and exists (
          select from unnest(r.left_to_digest) as t (id)
            join mailings m on m.id = t.id
            left join digest_line l on l.mailing_id = t.id
           where l.n > $2 or (l.n is null and m.state not in ('cancelled', 'superseded'))) as is_owed) o
      where r.id = any($1::bigint[]) and s.id = r.id
        and (s.dealt is null or s.dealt < $2 or s.last_digest_owed or s.asks_ledger)`,
    [ids, head],
  )
}
