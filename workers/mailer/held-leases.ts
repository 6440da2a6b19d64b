import { renewLeases } from '../../shared/delivery/chunk.sql.ts'
import { chunkLease, type HeldChunk } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

/** The chunks this process works on, renewed together in one statement for as long as its event loop turns. */
export type HeldLeases = { hold(chunk: HeldChunk): () => void; close(): void }

export function openHeldLeases(pool: Pool, log: Log): HeldLeases {
  const held = new Set<HeldChunk>()
  let renewing = false
  const timer = setInterval(
    async () => {
      if (held.size === 0 || renewing) return
      renewing = true
      // A renewal that fails costs nothing yet: the next one is due well before the lease ends.
      await renewLeases(pool, [...held]).catch((err: unknown) => log.warn({ err }, 'could not renew leases'))
      renewing = false
    },
    (chunkLease * 1000) / 4,
  )
  timer.unref()
  return {
    hold: (chunk) => {
      held.add(chunk)
      return () => held.delete(chunk)
    },
    close: () => clearInterval(timer),
  }
}
