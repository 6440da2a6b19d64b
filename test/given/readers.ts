import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { addSubscribers } from '../../shared/subscriber/add-subscribers.sql.ts'
import { addressHashKey, hashAddress } from '../../shared/subscriber/address-hash.ts'
import { addSubscriptions } from '../../shared/subscription/add-subscriptions.sql.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import { testSecrets } from './secrets.ts'

export type Reader = { readonly address: string; readonly subscriptionId: SubscriptionId }

/** Confirmed readers of a newsroom, `reader1@readers.example` and so on, or those named. */
export async function givenReaders(db: Db, newsroom: Newsroom, who: number | readonly string[]): Promise<Reader[]> {
  const addresses =
    typeof who === 'number' ? Array.from({ length: who }, (_, index) => `reader${index + 1}@readers.example`) : [...who]
  const hashKey = addressHashKey(testSecrets)
  await addSubscribers(
    db,
    addresses.map((address) => ({ address, addressKey: address, addressHash: hashAddress(hashKey, address) })),
    new Date(),
  )
  await addSubscriptions(db, newsroom.id, addresses, newsroom.defaultLanguage)
  const { rows } = await db.query<Reader>(
    `select b.address, s.id as "subscriptionId" from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.newsroom_id = $1 and b.address_key = any($2) order by s.id`,
    [newsroom.id, addresses],
  )
  return rows
}
