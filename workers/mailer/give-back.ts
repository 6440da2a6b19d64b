import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { closeChunk, leaseAnew } from '../../shared/delivery/chunk.sql.ts'
import type { HeldChunk } from '../../shared/delivery/delivery.ts'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import type { HeldLeases } from './held-leases.ts'
import { type SettleDeps, settleAbandoned } from './record-outcomes.ts'

type GiveBackDeps = SettleDeps & { readonly leases: HeldLeases }

/** Seconds a chunk rests after a fault of ours, such as a database that went away in the middle. */
const restAfterFault = 2
/** Tries with the database there: what keeps failing is left to whoever takes the chunk over, and keeps no other from its turn. */
const mostTriesInVain = 20

/**
 * The lease is given back with the fault, so that a passing one costs seconds and not a lapsed lease: tried for as long as the
 * database is away, because until it has been heard for a while nobody takes over what has lapsed.
 *
 * A claim whose answer was lost is a claim all the same. That its letters never began only this process's journal tells, which who
 * has the chunk next may be unable to read: to them all would be in doubt. So what it left behind it settles itself.
 */
export async function giveBack(deps: GiveBackDeps, chunk: HeldChunk): Promise<void> {
  // No other lease is likely to come to it by counting on.
  const held = { ...chunk, fence: String(BigInt(chunk.fence) + BigInt(randomInt(2, 2 ** 32))) }
  // Renewed as well, from before it is there: a connection that falls silent in the middle is waited for longer than it would last.
  const lease = deps.leases.hold(held, performance.now())
  try {
    for (let inVain = 0; inVain < mostTriesInVain; ) {
      try {
        if (!(await leaseAnew(deps.pool, chunk, held.fence))) return
        await settleAbandoned(deps, held)
        const closed = await closeChunk(deps.pool, held, restAfterFault, false)
        // Where it was lost in between, what looked like nothing to settle may be another's to settle, by this.
        if (closed !== null) deps.journals.forget(chunk)
        return
      } catch (error) {
        // Also while the process is to end: who has the chunk next may know less than this one.
        if (!isDatabaseAway(error)) inVain += 1
        await setTimeout(500)
      }
    }
  } finally {
    lease.letGo()
  }
}
