import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'

/**
 * A reader who confirms has shown that the address works again, or that whoever was erased has come back. Nothing else
 * is cleared so: after a complaint, or at an operator's word, an address stays without mail until an operator says
 * otherwise.
 */
export async function liftByConfirming(db: Db, subscriber: SubscriberId): Promise<boolean> {
  const { rowCount } = await db.query(
    `delete from suppressions barred
      using subscribers reader
      where reader.id = $1 and barred.address_hash = reader.address_hash and barred.reason in ('bounced', 'erased')`,
    [subscriber],
  )
  return rowCount === 1
}
