import type { Queue } from 'bullmq'
import type { Log } from '../log/log.ts'
import { within } from '../within.ts'
import { openQueue, type QueueStore } from './queue-store.ts'
import { type QueueName, queueNames, type WakeUp } from './queues.ts'

export type Wake = <Name extends QueueName>(queue: Name, wakeUps: readonly WakeUp<Name>[]) => void

export type WakingQueues = {
  /**
   * Tells workers that rows are waiting. A hint: it returns at once, never throws, and when it fails it is logged and
   * the reconciler finds the rows.
   */
  readonly wake: Wake
  /** Waits until every hint given so far has been taken or has failed. */
  settled(): Promise<void>
  readonly queues: readonly Queue[]
  /** Whether the queues can be asked right now. */
  answers(): Promise<boolean>
  /** Hints not taken by now have a moment more. */
  close(): Promise<void>
}

/**
 * Wake-ups that may wait for the store to take them: twice what a round of the reconciler gives. A store that hangs is found
 * out after some seconds; until then no flood at a door fills the memory.
 */
const mostUnanswered = 2_000
/** Milliseconds. */
const lastMoment = 1_000

export function openWakingQueues(store: QueueStore, log: Log): WakingQueues {
  const opened = new Map(queueNames.map((name) => [name, openQueue(store, name, log)]))
  const underWay = new Set<Promise<void>>()
  let unanswered = 0

  const wake: Wake = (name, wakeUps) => {
    if (wakeUps.length === 0) return
    const { queue, isReady } = opened.get(name)!
    if (!isReady() || unanswered + wakeUps.length > mostUnanswered)
      return log.warn({ queue: name, jobs: wakeUps.length }, 'the queue is away; the rows wait to be found')
    unanswered += wakeUps.length
    const added = queue
      .addBulk(
        wakeUps.map(({ payload, id, rank }) => ({
          name,
          data: payload,
          opts: { jobId: id, ...(rank === undefined ? {} : { priority: Math.min(rank + 1, 2_097_151) }) },
        })),
      )
      .then(
        () => undefined,
        (error: unknown) => log.warn({ err: error, queue: name, jobs: wakeUps.length }, 'could not wake the workers'),
      )
      .finally(() => {
        unanswered -= wakeUps.length
        underWay.delete(added)
      })
    underWay.add(added)
  }

  const settled = async () => {
    await Promise.all(underWay)
  }
  return {
    wake,
    settled,
    queues: [...opened.values()].map(({ queue }) => queue),
    answers: async () => {
      const all = await Promise.all([...opened.values()].map(({ answers }) => answers()))
      return all.every(Boolean)
    },
    close: async () => {
      await within(lastMoment, settled(), undefined)
      await Promise.all([...opened.values()].map(({ close }) => close()))
    },
  }
}
