import type { Db } from '../postgres/pool.ts'

export type NewSubscriber = { readonly address: string; readonly addressKey: string; readonly addressHash: Buffer }

/**
 * Writes the subscribers that are not there yet, many in one statement, and none that is suppressed: an address its
 * reader had erased must not come back by import. They go in by key, so that two imports of the same people wait for
 * each other instead of deadlocking.
 */
export async function addSubscribers(db: Db, readers: readonly NewSubscriber[], now: Date): Promise<void> {
  await db.query(
    `insert into subscribers (address, address_key, address_hash, created_at)
     select r.address, r.address_key, r.address_hash, $4
       from unnest($1::text[], $2::text[], $3::bytea[]) as r (address, address_key, address_hash)
      where not exists (select from suppressions s where s.address_hash = r.address_hash)
      order by r.address_key
     on conflict (address_key) do nothing`,
    [
      readers.map((reader) => reader.address),
      readers.map((reader) => reader.addressKey),
      readers.map((reader) => reader.addressHash),
      now,
    ],
  )
}
