import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import { letGoAfter, tryTurn } from '../../shared/postgres/advisory-lock.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { within } from '../../shared/within.ts'
import { noteDone, noteFailed } from '../../shared/worker/chore.sql.ts'

export type Chore = {
  readonly name: string
  readonly every: number
  readonly act: () => Promise<unknown>
  /** Seconds for which a process that has its turn may stand still before others may take it. Not given: as long as the pool allows. */
  readonly patience?: number
}

/**
 * Runs the clock's chores in every workers process, each at one place at a time by advisory lock; none hangs on the
 * queue. `every` is in seconds. Returns what stops it, waiting for a chore under way, but not for one that waits for a lock or
 * for a database that hangs: what it has not committed is undone when its connection goes, and its next turn does it again.
 */
export function openTimetable(deps: { pool: Pool; log: Log }, chores: readonly Chore[]): { close(): Promise<void> } {
  let closed = false
  const loops = chores.map((chore) => {
    let wakeUp = () => {}
    const run = async () => {
      while (!closed) {
        await takeTurn(deps, chore)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, chore.every * 1000)
          wakeUp = () => {
            clearTimeout(timer)
            resolve()
          }
          if (closed) wakeUp()
        })
      }
    }
    return { done: run(), wakeUp: () => wakeUp() }
  })
  return {
    close: async () => {
      closed = true
      for (const loop of loops) loop.wakeUp()
      await within(longestWait, Promise.all(loops.map((loop) => loop.done)), undefined)
    },
  }
}

/** Milliseconds; a chore that is told to stop ends with the statements it has in hand. */
const longestWait = 5_000

async function takeTurn({ pool, log }: { pool: Pool; log: Log }, chore: Chore): Promise<void> {
  try {
    await inTransaction(pool, async (tx) => {
      if (!(await tryTurn(tx, 'chore', chore.name))) return
      if (chore.patience !== undefined) await letGoAfter(tx, chore.patience)
      await chore.act()
      // Over a connection of its own: one that was idle all the while may have been cut, and the chore is done all the same.
      await noteDone(pool, chore)
    })
  } catch (err) {
    await noteFailed(pool, chore).catch(() => undefined)
    warnSeldom(log, { err, chore: chore.name }, 'a chore did not succeed; its next turn comes', chore.name)
  }
}
