import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { within } from '../../shared/within.ts'
import { removeWorker, writeBeat } from '../../shared/worker/worker.sql.ts'
import { beatEvery } from '../../shared/worker/worker.ts'
import type { DomainWatch } from './domain-watch.ts'
import type { HandOverJournals } from './hand-over-journal.ts'
import type { RelayCircuit } from './relay-circuit.ts'

/** Tells the database every few seconds that this process lives and whether it can use the mail host: one statement. */
export type Heartbeat = { beat(): Promise<void>; close(): Promise<void> }

/** Milliseconds: who has not told that it ends is missed soon enough. */
const longestEnd = 2_000
const beatsAMinute = 60 / beatEvery

type Deps = {
  readonly pool: Pool
  readonly log: Log
  readonly circuit: RelayCircuit
  readonly watch: Pick<DomainWatch, 'waitsFor'>
  readonly journals: Pick<HandOverJournals, 'areKept'>
}

export function openHeartbeat({ pool, log, circuit, watch, journals }: Deps): Heartbeat {
  const self = { id: randomUUID(), host: hostname(), pid: process.pid }
  const started = performance.now()
  const counts = [circuit.standing().accepted]

  async function beat(): Promise<void> {
    // Letters under way that keep all connections waiting end no window that could tell of it.
    if (watch.waitsFor() > beatEvery * 1000) circuit.tellSilence()
    const { accepted, trouble } = circuit.standing()
    const acceptedLately = accepted - counts[0]!
    counts.push(accepted)
    if (counts.length > beatsAMinute) counts.shift()
    const upMs = performance.now() - started
    await writeBeat(pool, { ...self, upMs, acceptedLately, keepsJournal: journals.areKept, trouble })
  }

  let beating: Promise<void> | null = null
  const next = () => {
    // While the database hangs they would stand in line for longer than it does.
    beating ??= beat()
      .catch((err: unknown) => warnSeldom(log, { err }, 'could not tell that this process lives'))
      .finally(() => {
        beating = null
      })
  }
  next()
  const timer = setInterval(next, beatEvery * 1000)
  timer.unref()
  return {
    beat,
    close: async () => {
      clearInterval(timer)
      const end = async () => {
        await beating
        await removeWorker(pool, self.id)
      }
      const told = end().catch((err: unknown) => log.warn({ err }, 'could not tell that this process ends'))
      await within(longestEnd, told, undefined)
    },
  }
}
