import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { Address } from './address.ts'
import type { SubscriberId } from './subscriber.ts'

/**
 * The row that stands for an address, made if there is none. An address already known keeps the spelling it came with:
 * whoever types it next may not be its owner. The row stays locked, so that two requests for one address take turns.
 */
export async function rememberSubscriber(db: Db, address: Address, hash: Buffer, now: Date): Promise<SubscriberId> {
  const { rows } = await db.query<{ id: SubscriberId }>(
    `insert into subscribers (address, address_key, address_hash, created_at)
     values ($1, $2, $3, $4)
     on conflict (address_key) do update set address_key = excluded.address_key
     returning id`,
    [address.address, address.key, hash, now],
  )
  return rows[0]!.id
}

/** The hash an address is known by, also after it was deleted. */
export async function addressHashOf(db: Db, id: SubscriberId): Promise<Buffer | null> {
  const { rows } = await db.query<{ address_hash: Buffer }>('select address_hash from subscribers where id = $1', [id])
  return rows[0]?.address_hash ?? null
}

/** Keeps a subscriber from changing until the transaction ends. Taken before its subscriptions, as a sign-up does. */
export async function lockSubscriber(db: Db, id: SubscriberId): Promise<void> {
  await db.query('select from subscribers where id = $1 for update', [id])
}

/** Keeps the subscriber of a subscription from being erased until the transaction ends. */
export async function keepSubscriberOf(db: Db, subscription: SubscriptionId): Promise<void> {
  await db.query(
    `select from subscriptions s join subscribers b on b.id = s.subscriber_id where s.id = $1 for key share of b`,
    [subscription],
  )
}

/**
 * Deletes the address of a subscriber who follows nothing, waits for nothing and can take no change of address back. The hash stays,
 * so that a suppression still holds and an import does not bring back who left.
 */
export async function forgetAddress(db: Db, id: SubscriberId): Promise<boolean> {
  const { rowCount } = await db.query(
    `update subscribers r
        set address = null, address_key = null
      where r.id = $1 and r.address is not null
        and not exists (select from subscriptions s where s.subscriber_id = r.id and s.state in ('pending', 'active'))
        and not exists (select from address_changes c where c.from_subscriber = r.id or c.to_subscriber = r.id)`,
    [id],
  )
  return rowCount === 1
}

/** The address as it is written to; null when it is forgotten. */
export async function findAddress(db: Db, id: SubscriberId): Promise<string | null> {
  const { rows } = await db.query<{ address: string | null }>('select address from subscribers where id = $1', [id])
  return rows[0]?.address ?? null
}

/** The hash of the address a row stands for; null when the address is forgotten. */
export async function findReaderHash(db: Db, id: SubscriberId): Promise<Buffer | null> {
  const { rows } = await db.query<{ address_hash: Buffer }>(
    'select address_hash from subscribers where id = $1 and address is not null',
    [id],
  )
  return rows[0]?.address_hash ?? null
}

/**
 * Every row that stands or stood for an address, and `linked`: those it was moved from or was to be moved to. All are
 * locked until the transaction ends, in one order for everybody.
 */
export async function lockReadersByHash(
  db: Db,
  hash: Buffer,
): Promise<{ readers: SubscriberId[]; linked: SubscriberId[] }> {
  const { rows } = await db.query<{ id: SubscriberId; is_reader: boolean }>(
    `select id, address_hash = $1 as is_reader from subscribers
      where id = any(array(
        select id from subscribers where address_hash = $1
        union
        select unnest(array[c.from_subscriber, c.to_subscriber])
          from subscribers b join address_changes c on c.from_subscriber = b.id or c.to_subscriber = b.id
         where b.address_hash = $1))
      order by id
        for update`,
    [hash],
  )
  const idsOf = (wanted: boolean) => rows.filter((row) => row.is_reader === wanted).map(({ id }) => id)
  return { readers: idsOf(true), linked: idsOf(false) }
}

/** A row that stands for nobody, for as long as two subscriptions change places. */
export async function insertStandIn(db: Db, now: Date): Promise<SubscriberId> {
  const { rows } = await db.query<{ id: SubscriberId }>(
    `insert into subscribers (address, address_key, address_hash, created_at) values (null, null, '', $1) returning id`,
    [now],
  )
  return rows[0]!.id
}

export async function deleteStandIn(db: Db, id: SubscriberId): Promise<void> {
  await db.query(`delete from subscribers where id = $1 and address is null and address_hash = ''`, [id])
}

/** Takes the address out of the rows that stand for it; the hash stays, and when it was. */
export async function eraseAddresses(db: Db, ids: readonly SubscriberId[], now: Date): Promise<void> {
  await db.query(
    'update subscribers set address = null, address_key = null, erased_at = $2 where id = any($1::bigint[])',
    [ids, now],
  )
}

/** Readers erased in the last `days`: replies that name them may still have come in. */
export async function recentlyErased(db: Db, days: number): Promise<SubscriberId[]> {
  const { rows } = await db.query<{ id: SubscriberId }>(
    `select id from subscribers where erased_at > now() - $1 * interval '1 day' order by id`,
    [days],
  )
  return rows.map(({ id }) => id)
}

/**
 * Walks the subscribers by key: those with an address who have followed and waited for nothing for `days`, or never did
 * in `unconfirmedDays`. `last`: where the walk stands; null: at the end.
 */
export async function findIdleReaders(
  db: Db,
  { after, days, unconfirmedDays, most }: { after: SubscriberId; days: number; unconfirmedDays: number; most: number },
): Promise<{ last: SubscriberId | null; idle: SubscriberId[] }> {
  const { rows } = await db.query<{ last: SubscriberId | null; idle: SubscriberId[] }>(
    `with walked as (
       select id, address, created_at from subscribers where id > $1 order by id limit $3
     )
     select (select max(id) from walked) as last,
            array(select w.id from walked w
                   where w.address is not null and w.created_at < now() - $4 * interval '1 day'
                     and not exists (select from subscriptions s
                                      where s.subscriber_id = w.id
                                        and (s.state <> 'ended' or s.ended_at > now() - $2 * interval '1 day'))
                   order by w.id) as idle`,
    [after, days, most, unconfirmedDays],
  )
  return rows[0]!
}

/**
 * Deletes the addresses of those of these subscribers who follow nothing, wait for nothing, and whom no change of
 * address still needs. Locked first and asked then: a sign-up under way holds the row, and must be seen.
 */
export async function forgetAddresses(tx: Db, ids: readonly SubscriberId[]): Promise<number> {
  await tx.query('select from subscribers where id = any($1::bigint[]) order by id for update', [ids])
  const { rowCount } = await tx.query(
    `update subscribers r
        set address = null, address_key = null
      where r.id = any($1::bigint[]) and r.address is not null
        and not exists (select from subscriptions s where s.subscriber_id = r.id and s.state in ('pending', 'active'))
        and not exists (select from address_changes c where c.from_subscriber = r.id or c.to_subscriber = r.id)`,
    [ids],
  )
  return rowCount ?? 0
}
