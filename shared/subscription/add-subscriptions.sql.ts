import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from './subscription.ts'

export type AddedSubscription = { readonly id: SubscriptionId; readonly subscriberId: SubscriberId }

/**
 * Makes active subscriptions for readers whose consent was given elsewhere, many in one statement. Whoever has a
 * subscription of any state keeps it as it is, above all those who left; only one that lapsed unconfirmed, nobody's yes or
 * no, is taken up. The suppressed get none. The instant is the
 * database's own, because audiences are fixed by the same clock.
 */
export async function addSubscriptions(
  db: Db,
  newsroom: NewsroomId,
  addressKeys: readonly string[],
  language: Language,
): Promise<AddedSubscription[]> {
  const { rows } = await db.query<AddedSubscription>(
    `insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at)
     select $1, r.id, 'active', $3, date_trunc('milliseconds', now()), now()
       from subscribers r
      where r.address_key = any($2)
        and not exists (select from suppressions s where s.address_hash = r.address_hash)
        -- Left to the conflict below, they would all be locked, and claims wait for that.
        and not exists (select from subscriptions u
                         where u.newsroom_id = $1 and u.subscriber_id = r.id
                           and (u.state = 'active' or u.state = 'ended' and u.ended_reason is distinct from 'lapsed'))
      order by r.id
     on conflict (newsroom_id, subscriber_id) do update
       set state = 'active', language = excluded.language, requested_at = excluded.requested_at,
           activated_at = excluded.activated_at, ended_at = null, ended_reason = null
       where subscriptions.state = 'ended' and subscriptions.ended_reason = 'lapsed'
     returning id, subscriber_id as "subscriberId"`,
    [newsroom, addressKeys, language],
  )
  return rows
}

/** Which of these left the newsroom and had their address deleted: a row without one, known by its hash. */
export async function whoLeftUnnamed(
  db: Db,
  newsroom: NewsroomId,
  addressHashes: readonly Buffer[],
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ hash: string }>(
    `select distinct encode(r.address_hash, 'hex') as hash
       from subscribers r
       join subscriptions u on u.subscriber_id = r.id
      where r.address_hash = any($2) and r.address is null and u.newsroom_id = $1 and u.state = 'ended'
        and u.ended_reason is distinct from 'lapsed'`,
    [newsroom, addressHashes],
  )
  return new Set(rows.map(({ hash }) => hash))
}

/** How some addresses stand with a newsroom. `suppressed` comes first: it decides whatever else is written. */
export type Standing = {
  readonly suppressed: number
  readonly active: number
  readonly pending: number
  readonly ended: number
}

export async function countStanding(
  db: Db,
  newsroom: NewsroomId,
  readers: readonly { readonly addressKey: string; readonly addressHash: Buffer }[],
): Promise<Standing> {
  const { rows } = await db.query<Standing>(
    `select (count(*) filter (where s.address_hash is not null))::int as suppressed,
            (count(*) filter (where s.address_hash is null and u.state = 'active'))::int as active,
            (count(*) filter (where s.address_hash is null and u.state = 'pending'))::int as pending,
            (count(*) filter (where s.address_hash is null and u.state = 'ended'))::int as ended
       from unnest($2::text[], $3::bytea[]) as k (address_key, address_hash)
       left join suppressions s on s.address_hash = k.address_hash
       left join subscribers r on r.address_key = k.address_key
       left join subscriptions u on u.newsroom_id = $1 and u.subscriber_id = r.id`,
    [newsroom, readers.map((reader) => reader.addressKey), readers.map((reader) => reader.addressHash)],
  )
  return rows[0]!
}
