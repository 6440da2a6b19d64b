import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { changeFrequency } from '../../shared/subscription/change-frequency.sql.ts'
import type { Frequency, SubscriptionId } from '../../shared/subscription/subscription.ts'
import { givenReaders, type Reader } from './readers.ts'

const day = 86_400_000

/** Noons in the newsroom's future, one a day: at each, the digests of that day are due and not yet cut. */
export function noonsFrom(start: Date): () => Date {
  let noon = Math.floor(start.getTime() / day) * day + day / 2
  return () => {
    noon += day
    return new Date(noon)
  }
}

export const wishFrequency = (pool: Pool, id: SubscriptionId, to: Frequency) =>
  inTransaction(pool, (tx) => changeFrequency(tx, id, to))

/** Confirmed readers by name, each with the frequency they wish for. */
export async function givenDigestReaders(
  pool: Pool,
  newsroom: Newsroom,
  wishes: Readonly<Record<string, Frequency>>,
): Promise<Readonly<Record<string, Reader>>> {
  const readers = await givenReaders(
    pool,
    newsroom,
    Object.keys(wishes).map((name) => `${name}@readers.example`),
  )
  for (const { address, subscriptionId } of readers)
    await wishFrequency(pool, subscriptionId, wishes[address.split('@')[0]!]!)
  return Object.fromEntries(readers.map((reader) => [reader.address.split('@')[0]!, reader]))
}
