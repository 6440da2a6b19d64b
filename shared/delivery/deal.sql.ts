import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'

/**
 * Owes a mailing to exactly these readers: their deliveries, due, and open chunks over them. From here on it is like any
 * other: claimed or closed. Only one adds to a mailing at a time.
 */
export async function dealDeliveries(
  db: Db,
  mailing: MailingId,
  readers: readonly SubscriptionId[],
  chunkSize: number,
): Promise<void> {
  await db.query(
    `with dealt as (
       insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at)
       select $1, r, 'due', 0, 0, now() from unnest($2::bigint[]) as r order by r
       returning subscription_id
     ), placed as (
       select subscription_id, (row_number() over (order by subscription_id) - 1) / $3::int as slice from dealt
     ), slices as (
       select slice, min(subscription_id) - 1 as after_id, max(subscription_id) as upto_id, count(*)::int as size
         from placed group by slice
     )
     insert into chunks (mailing_id, n, after_id, upto_id, size, rank, state, next_at)
     select $1, last.n + slice + 1, after_id, upto_id, size,
            case when last.n + slice = -1 then 0 else ranks.start + slice end, 'open', now()
       from slices
      cross join (select coalesce(max(n), -1) as n from chunks where mailing_id = $1) last
      cross join lateral (select greatest(ranks_from($1), 1) - (last.n = -1)::int as start) ranks`,
    [mailing, readers, chunkSize],
  )
}

/** A chunk of a mailing that was ended, by its number. Null: there is none by that number. */
export async function readersLeft(
  db: Db,
  mailing: MailingId,
  n: string,
): Promise<{ isDone: boolean; readers: SubscriptionId[] } | null> {
  const { rows } = await db.query<{ isDone: boolean; readers: SubscriptionId[] }>(
    `select c.state = 'done' as "isDone",
            coalesce((select array_agg(d.subscription_id::text order by d.subscription_id)
                        from deliveries d
                       where d.mailing_id = c.mailing_id and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
                         and d.state = 'withdrawn'), '{}') as readers
       from chunks c where c.mailing_id = $1 and c.n = $2`,
    [mailing, n],
  )
  return rows[0] ?? null
}
