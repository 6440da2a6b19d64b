import { giveBack, spend } from '../../../shared/budget/budget.sql.ts'
import type { Charge } from '../../../shared/budget/budget.ts'
import type { NewsroomId } from '../../../shared/newsroom/newsroom.ts'
import type { Db } from '../../../shared/postgres/pool.ts'

const day = 86_400

/** One letter a day to an address from each newsroom, and a few from all of them together. */
const charges = (addressHash: Buffer, newsroom: NewsroomId): Charge[] => {
  const address = addressHash.toString('hex')
  return [
    { budget: { name: 'letter', quota: 1, span: day }, subject: `${address} ${newsroom}` },
    { budget: { name: 'letters', quota: 5, span: day }, subject: address },
  ]
}

/**
 * Whether a stranger's word may still make us write to an address today. It is spent whatever becomes of the letter, so
 * that it is the same work for an address that is new, follows already, or gets no mail at all.
 */
export async function spendLetter(
  db: Db,
  hashKey: Buffer,
  addressHash: Buffer,
  newsroom: NewsroomId,
  now: Date,
): Promise<boolean> {
  return (await spend(db, hashKey, charges(addressHash, newsroom), now)).granted
}

/** The letter was wanted: who follows, leaves and changes their mind the same day is not left waiting. */
export const letterWasWanted = (db: Db, hashKey: Buffer, addressHash: Buffer, newsroom: NewsroomId): Promise<void> =>
  giveBack(db, hashKey, charges(addressHash, newsroom)[0]!)
