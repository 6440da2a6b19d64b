import { setTimeout } from 'node:timers/promises'
import { type ConnectionOptions, type IQueueBackend, type JobProgress, type RedisQueueBackend, Worker } from 'bullmq'

/** Milliseconds. */
const pause = 500
/** Seconds for which a worker waits for word of a job before it asks whether there is one. */
export const longestWait = 5

/**
 * A worker for a store that comes and goes.
 *
 * It waits a moment where it could not ask for its next job. Left to itself BullMQ asks anew at once, forty thousand times a
 * second, unless it is the connection that was refused.
 *
 * It never waits for long without asking. BullMQ would wait for an hour on PostgreSQL where that was away as it began to,
 * and what came in between was not told; and for ten seconds on Redis, by which a connection that fell silent is found out.
 */
export class CalmWorker<
  Data,
  Backend extends IQueueBackend = RedisQueueBackend,
  Connection = ConnectionOptions,
> extends Worker<Data, void, string, Backend, JobProgress, Connection> {
  override get maximumBlockTimeout(): number {
    return longestWait
  }

  protected override async moveToActive(token: string, name?: string) {
    try {
      return await super.moveToActive(token, name)
    } catch (error) {
      await setTimeout(pause)
      throw error
    }
  }
}
