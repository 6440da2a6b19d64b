import { changePaces } from '../../shared/delivery/pace.sql.ts'
import type { Pace } from '../../shared/delivery/pace.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

/** Gives a domain a pace; it had none. */
export async function givenPace(pool: Pool, domain: string, pace: Pace): Promise<void> {
  const changed = await changePaces(pool, [{ domain, before: null, after: pace }])
  if (!changed.has(domain)) throw new Error(`${domain} has a pace already`)
}
