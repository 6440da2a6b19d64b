import type { Db } from '../postgres/pool.ts'
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

/**
 * Deletes the address of a subscriber who follows nothing and waits for nothing. The hash stays, so that a suppression
 * still holds and an import does not bring back who left.
 */
export async function forgetAddress(db: Db, id: SubscriberId): Promise<boolean> {
  const { rowCount } = await db.query(
    `update subscribers r
        set address = null, address_key = null
      where r.id = $1 and r.address is not null
        and not exists (select from subscriptions s where s.subscriber_id = r.id and s.state in ('pending', 'active'))`,
    [id],
  )
  return rowCount === 1
}
