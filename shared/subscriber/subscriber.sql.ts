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
