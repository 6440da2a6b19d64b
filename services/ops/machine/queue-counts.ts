import type { BoardQueue } from '../ops-deps.ts'

export type QueueCounts = {
  readonly name: string
  /** `null`: the queue's store did not answer in time. */
  readonly counts: {
    readonly waiting: number
    readonly active: number
    readonly delayed: number
    readonly failed: number
  } | null
  readonly workers: number | null
  /** By somebody with a tool of their own: its workers take nothing up. */
  readonly paused: boolean
}

/** A queue whose store is away would keep the page waiting for its return. */
const patienceMs = 2_000

export const countQueues = (boards: readonly BoardQueue[]): Promise<QueueCounts[]> =>
  Promise.all(boards.map(countQueue))

async function countQueue(queue: BoardQueue): Promise<QueueCounts> {
  const [counts, workers, paused] = await Promise.all([
    inTime(queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed')),
    inTime(queue.getWorkersCount()),
    inTime(queue.isPaused()),
  ])
  const of = (state: string) => counts?.[state] ?? 0
  return {
    name: queue.name,
    counts: counts && {
      waiting: of('waiting') + of('prioritized'),
      active: of('active'),
      delayed: of('delayed'),
      failed: of('failed'),
    },
    workers,
    paused: paused === true,
  }
}

/** The answer, or `null` when there is none in time: the page then says so, which is the news it has to tell. */
async function inTime<Answer>(asked: Promise<Answer>): Promise<Answer | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, patienceMs, null)
  })
  const answered = asked.catch(() => null)
  return Promise.race([answered, late]).finally(() => clearTimeout(timer))
}
