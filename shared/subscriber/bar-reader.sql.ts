import { recordConsent } from '../consent/consent.sql.ts'
import type { ConsentEntry } from '../consent/consent.ts'
import { untilNobodyMayBegin, untilNoNoticeMayBegin } from '../delivery/may-still-begin.sql.ts'
import type { Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'
import { endAllOf } from '../subscription/end-subscriptions.sql.ts'
import { lockSubscriptionsOf } from '../subscription/move-subscription.sql.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { suppressForOperator } from '../suppression/suppression.sql.ts'
import { lockReadersByHash } from './subscriber.sql.ts'

/**
 * Bars an address at an operator's word: all it follows ends, and it gets no mail whatever it is entered for, not even a
 * confirmation. Resolves with what ended, once no worker may still begin a letter to it. Done again it changes nothing.
 */
export async function barReader(
  pool: Pool,
  addressHash: Buffer,
  act: Pick<ConsentEntry, 'door'>,
  now: Date,
): Promise<readonly SubscriptionId[]> {
  const { readers, held, ended } = await inTransaction(pool, async (tx) => {
    const { readers } = await lockReadersByHash(tx, addressHash)
    const held = await lockSubscriptionsOf(tx, readers)
    const ended = await endAllOf(tx, readers, 'operator')
    for (const subscription of ended) await recordConsent(tx, { ...act, act: 'ended', subscription }, now)
    await suppressForOperator(tx, addressHash, now)
    return { readers, held, ended }
  })
  await untilNoNoticeMayBegin(pool, readers)
  await Promise.all(held.map(({ id }) => untilNobodyMayBegin(pool, id)))
  return ended.map(({ id }) => id)
}
