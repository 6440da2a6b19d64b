import type { Db } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'

/**
 * A reader who confirms has shown that the address works again. Only a bounce is cleared so: after a complaint, or at
 * an operator's word, an address stays without mail until an operator says otherwise.
 */
export async function liftBounce(db: Db, subscriber: SubscriberId): Promise<boolean> {
  const { rowCount } = await db.query(
    `delete from suppressions barred
      using subscribers reader
      where reader.id = $1 and barred.address_hash = reader.address_hash and barred.reason = 'bounced'`,
    [subscriber],
  )
  return rowCount === 1
}
