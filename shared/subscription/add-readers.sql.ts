import { logImport } from '../consent/log-import.sql.ts'
import type { Language } from '../language/language.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'
import { addSubscribers, type NewSubscriber } from '../subscriber/add-subscribers.sql.ts'
import { parseAddress } from '../subscriber/address.ts'
import { hashAddress } from '../subscriber/address-hash.ts'
import { addSubscriptions, countStanding, whoLeftUnnamed } from './add-subscriptions.sql.ts'

export type AddReadersDeps = { readonly pool: Pool; readonly hashKey: Buffer; readonly now: () => Date }

/** Readers whose consent was given elsewhere, and where it can be shown. */
export type Import = { readonly newsroom: Newsroom; readonly language: Language; readonly source: string }

/** What became of the addresses read; they add up to `read`. */
export type ImportTally = {
  read: number
  added: number
  alreadyFollowing: number
  /** Asked for themselves, and have yet to answer our letter: their own yes is worth more than ours for them. */
  awaitingConfirmation: number
  /** Left this newsroom once. An import must never bring them back. */
  left: number
  suppressed: number
  notValid: number
}

export type Unreadable = { readonly line: number; readonly text: string }

/**
 * Adds readers as confirmed, a thousand a transaction: interrupted, it leaves whole batches behind, and doing it again
 * adds only who is missing.
 */
export async function addReaders(
  deps: AddReadersDeps,
  plan: Import,
  addresses: AsyncIterable<string> | Iterable<string>,
  watch: { progress?: (tally: Readonly<ImportTally>) => void; unreadable?: (one: Unreadable) => void } = {},
): Promise<ImportTally> {
  const tally: ImportTally = {
    read: 0,
    added: 0,
    alreadyFollowing: 0,
    awaitingConfirmation: 0,
    left: 0,
    suppressed: 0,
    notValid: 0,
  }
  let batch = new Map<string, NewSubscriber>()
  const close = async () => {
    if (batch.size > 0) await addBatch(deps, plan, [...batch.values()], tally)
    batch = new Map()
    watch.progress?.(tally)
  }
  let line = 0
  for await (const text of addresses) {
    line += 1
    if (text.trim() === '' || text.startsWith('#')) continue
    tally.read += 1
    const parsed = parseAddress(text)
    if (!parsed) {
      tally.notValid += 1
      watch.unreadable?.({ line, text })
      continue
    }
    if (batch.has(parsed.key)) {
      tally.alreadyFollowing += 1
      continue
    }
    const addressHash = hashAddress(deps.hashKey, parsed.key)
    batch.set(parsed.key, { address: parsed.address, addressKey: parsed.key, addressHash })
    if (batch.size === batchSize) await close()
  }
  await close()
  return tally
}

// Past a thousand rows a statement gains nothing more, and what an interruption throws away grows.
const batchSize = 1_000

async function addBatch(
  deps: AddReadersDeps,
  plan: Import,
  wished: readonly NewSubscriber[],
  tally: ImportTally,
): Promise<void> {
  const hashes = wished.map((reader) => reader.addressHash)
  const { added, standing, leftUnnamed } = await inTransaction(deps.pool, async (tx) => {
    const unnamed = await whoLeftUnnamed(tx, plan.newsroom.id, hashes)
    const readers = wished.filter((reader) => !unnamed.has(reader.addressHash.toString('hex')))
    const keys = readers.map((reader) => reader.addressKey)
    await addSubscribers(tx, readers, deps.now())
    const added = await addSubscriptions(tx, plan.newsroom.id, keys, plan.language)
    const consent = { newsroom: plan.newsroom.id, language: plan.language, source: plan.source }
    await logImport(tx, consent, added, deps.now())
    const leftUnnamed = wished.length - readers.length
    return { added: added.length, leftUnnamed, standing: await countStanding(tx, plan.newsroom.id, readers) }
  })
  tally.added += added
  tally.alreadyFollowing += standing.active - added
  tally.awaitingConfirmation += standing.pending
  tally.left += standing.ended + leftUnnamed
  tally.suppressed += standing.suppressed
}
