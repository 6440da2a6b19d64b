import { setTimeout } from 'node:timers/promises'
import {
  type BackendFactory,
  PostgresConnection,
  PostgresQueueBackend,
  runMigrations,
  type WorkerOptions,
} from 'bullmq'
import { HeededClient } from '../postgres/heeded-client.ts'
import { keepAlive } from '../postgres/pool.ts'
import { requeueStalledJobs } from './stalled-jobs.sql.ts'

const schema = 'queues'
/** What the queues ask takes milliseconds, and what they wait for they hear of: an answer that is not there by then does not come. */
const answersWithin = 10_000
/**
 * BullMQ holds a lock while it looks at its tables, over several questions. Where it is lost or frozen in the middle, and over a
 * connection that fell silent, the server would keep the lock until it finds out by itself, and every process that starts would
 * wait: nothing was sent for 57 s in a run of the harness. Between two questions it has nothing to do but ask.
 */
const holdsWithoutWord = 5_000
/** Milliseconds between one failure and the next try. */
const pause = 500

/**
 * The options of a queue whose jobs lie beside the tables. Four connections at the most for each worker, three for each queue that
 * is only added to.
 */
export const postgresOptions = (databaseUrl: string) => ({
  Client: HeededClient,
  connectionString: databaseUrl,
  max: 3,
  schema,
  connectionTimeoutMillis: answersWithin,
  query_timeout: answersWithin,
  // Before we hang up, so that nothing of ours waits in the server for a lock that nobody wants any more.
  statement_timeout: answersWithin * 0.875,
  idle_in_transaction_session_timeout: holdsWithoutWord,
  ...keepAlive,
})

/**
 * BullMQ's jobs in PostgreSQL, for a server that may go away at any moment, the first one too. Left to itself BullMQ keeps
 * the failure of its first look at the tables for as long as the process lives; a worker then asks in a loop that waits for
 * nothing, and the whole process stands still.
 */
export const steadfastBackend: BackendFactory<PostgresQueueBackend, ReturnType<typeof postgresOptions>> = (
  name,
  { connection, ...opts },
  { withBlockingConnection = false } = {},
) =>
  new SteadfastBackend(
    new SteadfastConnection(connection),
    name,
    { ...opts, connection },
    true,
    // By this name the desk finds the workers of a queue.
    withBlockingConnection ? name : undefined,
  )

class SteadfastConnection extends PostgresConnection {
  #ready: Promise<void> | undefined

  constructor(options: ConstructorParameters<typeof PostgresConnection>[0]) {
    super(options)
    // The connection that listens BullMQ makes of `pg` itself. It would ask over a silent one again and again, and one that
    // breaks in the very packet by which it is ready, before anybody listens to it, would end the process.
    Object.assign(this, { pgModule: { Client: HeededClient } })
  }

  /** @throws what the server, or its absence, answered; asked again it looks again. */
  override async waitUntilReady(): Promise<void> {
    this.#ready ??= this.#makeTables().catch(async (error: unknown) => {
      // Whoever asks before the pause is over shares this failure, instead of knocking at a server that has just come back.
      await setTimeout(pause)
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #makeTables(): Promise<void> {
    const client = await this.pool.connect()
    let isSound = false
    try {
      await runMigrations(client, this.schema)
      isSound = true
    } finally {
      // One whose answer is still owed would make the next who gets it wait.
      client.release(!isSound)
    }
    this.emit('ready')
  }
}

class SteadfastBackend extends PostgresQueueBackend {
  /** Whoever waits for this does so once, when the queue is opened, so it is answered once the server is there. */
  override async waitUntilReady(): Promise<void> {
    while (!this.connection.isClosing) {
      try {
        await this.connection.waitUntilReady()
        return await super.waitUntilReady()
      } catch (error) {
        this.emit('error', error)
      }
    }
  }

  override async moveStalledJobsToWait(): Promise<string[]> {
    await this.connection.waitUntilReady()
    const { lockDuration, stalledInterval, maxStalledCount } = this.opts as WorkerOptions
    return requeueStalledJobs(this.connection.pool, {
      queue: this.queueName,
      lock: lockDuration!,
      every: stalledInterval!,
      most: maxStalledCount!,
    })
  }
}
