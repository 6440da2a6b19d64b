import { setTimeout } from 'node:timers/promises'
import { type ConnectionOptions, type IQueueBackend, type JobProgress, type RedisQueueBackend, Worker } from 'bullmq'

/** Milliseconds. */
const pause = 500

/**
 * A worker that waits a moment where it could not ask for its next job. Left to itself BullMQ asks anew at once, forty
 * thousand times a second, unless it is the connection that was refused.
 */
export class CalmWorker<
  Data,
  Backend extends IQueueBackend = RedisQueueBackend,
  Connection = ConnectionOptions,
> extends Worker<Data, void, string, Backend, JobProgress, Connection> {
  protected override async moveToActive(token: string, name?: string) {
    try {
      return await super.moveToActive(token, name)
    } catch (error) {
      await setTimeout(pause)
      throw error
    }
  }
}
