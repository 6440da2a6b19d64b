import { renewLeases } from '../../shared/delivery/chunk.sql.ts'
import { chunkLease, type HeldChunk } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

export type HeldLease = {
  /**
   * Whether the lease surely still runs: by a monotonic clock, read before the statement that took or renewed it left.
   * A process that was frozen finds out here, and not from whoever has taken its chunk meanwhile.
   */
  runs(): boolean
  letGo(): void
}

/** The chunks this process works on, renewed together in one statement for as long as its event loop turns. */
export type HeldLeases = {
  /** `askedAt`: `performance.now()` before the lease was asked for. */
  hold(chunk: HeldChunk, askedAt: number): HeldLease
  close(): void
}

export function openHeldLeases(pool: Pool, log: Log): HeldLeases {
  const until = new Map<HeldChunk, number>()
  let renewing = false

  async function renew(): Promise<void> {
    const asked = [...until.keys()]
    const askedAt = performance.now()
    const renewed = new Set(await renewLeases(pool, asked))
    // A chunk let go meanwhile is not taken up again.
    for (const chunk of asked)
      if (until.has(chunk)) until.set(chunk, renewed.has(`${chunk.mailingId} ${chunk.n}`) ? askedAt + leaseMs : 0)
  }

  const timer = setInterval(async () => {
    if (until.size === 0 || renewing) return
    renewing = true
    // A renewal that fails costs nothing yet: the next one is due well before the lease ends.
    await renew().catch((err: unknown) => warnSeldom(log, { err }, 'could not renew leases'))
    renewing = false
  }, leaseMs / 4)
  timer.unref()
  return {
    hold: (chunk, askedAt) => {
      until.set(chunk, askedAt + leaseMs)
      return {
        runs: () => performance.now() < (until.get(chunk) ?? 0),
        letGo: () => void until.delete(chunk),
      }
    },
    close: () => clearInterval(timer),
  }
}

const leaseMs = chunkLease * 1000
