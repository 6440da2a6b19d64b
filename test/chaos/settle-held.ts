import type { House } from './house.ts'
import { listHeldInDoubt } from './ledger.ts'
import type { Tally } from './tally.ts'

/**
 * As long as letters in doubt are kept, nobody has one twice; those who do are told. Then an operator has them sent again, as
 * often as they come into doubt anew, so that they are owed and counted like all others.
 */
export async function settleHeld(
  { pool, operator }: Pick<House, 'pool' | 'operator'>,
  tally: Pick<Tally, 'copies' | 'inDigests'>,
  letEnd: () => Promise<boolean>,
): Promise<string[]> {
  const doubled = [...tally.copies, ...tally.inDigests].flatMap(([title, letters]) =>
    [...letters].filter(([, copies]) => copies.length > 1).map(([address]) => `${title} to ${address}`),
  )
  for (let settled = true; settled; ) {
    settled = false
    // Of what was stopped nothing is sent again.
    for (const mailing of await listHeldInDoubt(pool)) if (await operator.act('settle', mailing)) settled = true
    await letEnd()
  }
  return doubled
}
