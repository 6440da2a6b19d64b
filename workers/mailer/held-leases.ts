import { renewLeases } from '../../shared/delivery/chunk.sql.ts'
import { chunkLease, type HeldChunk } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openUnbrokenAnswers } from './unbroken-answers.ts'

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
  /** Asks the database, and tells the hour, by its clock, up to which every process could have renewed its leases; null: not known. */
  heardUntil(): Promise<number | null>
  close(): void
}

export function openHeldLeases(pool: Pool, log: Log): HeldLeases {
  const until = new Map<HeldChunk, number>()
  const answers = openUnbrokenAnswers()

  async function renew(): Promise<void> {
    const asked = [...until.keys()]
    const askedAt = performance.now()
    const { renewed, hour } = await renewLeases(pool, asked)
    answers.tell(askedAt, hour)
    const kept = new Set(renewed)
    for (const chunk of asked) {
      const now = until.get(chunk)
      // One let go meanwhile is not taken up again, and an answer that comes late shortens nothing.
      if (now === undefined) continue
      until.set(chunk, kept.has(`${chunk.mailingId} ${chunk.n} ${chunk.fence}`) ? Math.max(now, askedAt + leaseMs) : 0)
    }
  }

  // Also with nothing in hand, to hear whether the database answers; and also while an earlier one waits, which on a connection
  // that fell silent is for longer than a lease runs. One that fails costs nothing yet: the next is due well before that.
  const ask = () => void renew().catch((err: unknown) => warnSeldom(log, { err }, 'could not renew leases'))
  ask()
  const timer = setInterval(ask, renewEvery)
  timer.unref()
  return {
    hold: (chunk, askedAt) => {
      until.set(chunk, askedAt + leaseMs)
      return {
        runs: () => performance.now() < (until.get(chunk) ?? 0),
        letGo: () => void until.delete(chunk),
      }
    },
    heardUntil: async () => {
      // The answers of the clock are up to two seconds old, for which what a killed worker left would wait once more.
      await renew()
      return answers.heardUntil()
    },
    close: () => clearInterval(timer),
  }
}

const leaseMs = chunkLease * 1000
const renewEvery = leaseMs / 4
