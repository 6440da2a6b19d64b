import type { Tx } from './advisory-lock.ts'

/**
 * Runs a statement that takes the next rows in order of a key, planned so that it reads just those. Of tables that were
 * empty a minute ago the planner expects a handful of rows; it would then gather all there are and sort them, for each
 * batch of a million anew.
 */
export async function walking<Result>(tx: Tx, statement: () => Promise<Result>): Promise<Result> {
  await tx.query(`select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)`)
  const result = await statement()
  await tx.query(`select set_config('enable_sort', 'on', true), set_config('enable_bitmapscan', 'on', true)`)
  return result
}
