import { recordConsent } from '../consent/consent.sql.ts'
import type { ConsentEntry } from '../consent/consent.ts'
import { eraseOrigins } from '../consent/forget-origins.sql.ts'
import { eraseReplies } from '../delivery/erase-replies.sql.ts'
import { untilNoNoticeMayBegin } from '../delivery/may-still-begin.sql.ts'
import { forgetLinkRequests } from '../notice/link-request.sql.ts'
import { forgetReplies } from '../notice/notice.sql.ts'
import type { Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'
import { clearWishes, endAllOf } from '../subscription/end-subscriptions.sql.ts'
import { lockSubscriptionsOf } from '../subscription/move-subscription.sql.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { suppressErased } from '../suppression/suppression.sql.ts'
import { eraseAddressChanges, movedAwayFrom } from './address-change.sql.ts'
import { eraseAddresses, forgetAddresses, lockReadersByHash, recentlyErased } from './subscriber.sql.ts'

export type Erasure = {
  readonly addresses: number
  /** Subscriptions that it ended. */
  readonly ended: readonly SubscriptionId[]
  /** All there were, also those that had ended: a letter to any of them may still be in a worker's hands. */
  readonly subscriptions: readonly SubscriptionId[]
}

/**
 * Erases an address: everything it follows ends, and nothing in any table names it any more. What stays are rows that
 * point to nobody, so that figures hold and links in old letters are known; and its keyed hash, so that no import brings
 * it back. Done again it changes nothing. No proof of origin of this last act is kept: it would be the only one.
 *
 * Resolves when no worker may still begin a notice that is owed to the reader by name. Whatever else is on its way belongs
 * to a subscription, and the caller waits for that.
 */
export async function eraseReader(
  pool: Pool,
  addressHash: Buffer,
  act: Pick<ConsentEntry, 'door' | 'language' | 'wording'>,
  now: Date,
): Promise<Erasure> {
  const { named, erasure } = await inTransaction(pool, async (tx) => {
    const { readers, linked } = await lockReadersByHash(tx, addressHash)
    const held = await lockSubscriptionsOf(tx, readers)
    const ended = await endAllOf(tx, readers, 'erased')
    for (const subscription of ended) await recordConsent(tx, { ...act, act: 'ended', subscription }, now)
    await clearWishes(tx, readers)
    await eraseOrigins(tx, readers)
    await eraseReplies(tx, readers, await movedAwayFrom(tx, readers), null)
    await forgetReplies(tx, readers)
    await forgetLinkRequests(tx, addressHash)
    await eraseAddressChanges(tx, readers)
    await eraseAddresses(tx, readers, now)
    // Another address of theirs, kept only because of a change that is forgotten with them.
    await forgetAddresses(tx, linked)
    await suppressErased(tx, addressHash, now)
    return {
      // The other address, too: its notice spoke of the change.
      named: [...readers, ...linked],
      erasure: { addresses: readers.length, ended: ended.map(({ id }) => id), subscriptions: held.map(({ id }) => id) },
    }
  })
  await untilNoNoticeMayBegin(pool, named)
  return erasure
}

/** Days in which a letter begun before an erasure may still be answered, and the answer recorded: the retry window. */
const repliesComeFor = 3

/** Clears away what mail hosts said of readers after they were erased. */
export async function eraseLateReplies(pool: Pool): Promise<void> {
  const readers = await recentlyErased(pool, repliesComeFor)
  if (readers.length === 0) return
  await eraseReplies(pool, readers, [], repliesComeFor)
  await forgetReplies(pool, readers)
}
