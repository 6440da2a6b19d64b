import { type Processor, Queue, type WorkerOptions } from 'bullmq'
import { Cluster, Redis } from 'ioredis'
import type { Log } from '../log/log.ts'
import { warnSeldom } from '../log/warn-seldom.ts'
import { isDatabaseAway } from '../postgres/database-away.ts'
import { within } from '../within.ts'
import { CalmWorker, longestWait } from './calm-worker.ts'
import { postgresOptions, steadfastBackend } from './postgres-backend.ts'
import type { Payloads, QueueName } from './queues.ts'

/** Where the queues live: on Redis where there is one, else beside the tables. This file alone decides. */
export type QueueStore = { readonly redisUrl: string | null; readonly databaseUrl: string }

/** Keeps a queue's keys in one slot of a Redis Cluster, and apart from other users of the same Redis. */
const prefix = '{pressebud}'

export type OpenQueue = {
  readonly queue: Queue
  /** Whether the store can be asked right now: a hint is given at once or not at all. */
  isReady(): boolean
  /** Whether the store answers when it is asked: one that hangs seems ready for some seconds. */
  answers(): Promise<boolean>
  close(): Promise<void>
}

/** Opens one queue for adding and for looking into. */
export function openQueue(store: QueueStore, name: QueueName, log: Log): OpenQueue {
  const defaultJobOptions = {
    // Once more and at once, over a connection that is sound, perhaps. Whatever lasts longer the reconciler makes up for; a job
    // put off would be put off by the clock of its process, which may be ten minutes ahead, and swallow every wake-up of its name.
    attempts: 2,
    removeOnComplete: true,
    // A failed job that is kept swallows every later wake-up of its name; the log has told why it failed.
    removeOnFail: true,
  }
  if (store.redisUrl === null) {
    const queue = new Queue(
      name,
      { connection: postgresOptions(store.databaseUrl), defaultJobOptions },
      steadfastBackend,
    )
    queue.on('error', tellTrouble(log, name))
    return {
      queue: queue as unknown as Queue,
      isReady: () => true,
      answers: async () => true,
      close: () => within(longestGoodbye, queue.close(), undefined),
    }
  }
  // A command that timed out stays in the connection's memory until its answer comes, and from a Redis that hangs none does.
  // So the connection is given up, and with it, by retrying nothing, what waits for an answer over it (17 KB for each wake-up); it
  // is not ready from then on, and tries anew until it is answered.
  // Queueing offline lets BullMQ's own start-up wait for a Redis that is not there yet; hints never get that far.
  const connection = openRedis(store.redisUrl, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: true,
    commandTimeout: 5_000,
    socketTimeout: 5_000,
  })
  connection.on('error', tellTrouble(log, name))
  // BullMQ asks for the version once, and keeps the failure for as long as the process lives where Redis goes away in that
  // moment. The workers, who ask until they are answered, tell of one that is too old.
  const queue = new Queue(name, { connection, prefix, defaultJobOptions, skipVersionCheck: true })
  queue.on('error', tellTrouble(log, name))
  return {
    queue,
    isReady: () => connection.status === 'ready',
    answers: async () =>
      connection.status === 'ready' &&
      // On a cluster it is the node that holds this queue that must answer.
      connection.exists(queue.toKey('meta')).then(
        () => true,
        () => false,
      ),
    close: async () => {
      if (connection.status === 'ready') await within(longestGoodbye, queue.close(), undefined).catch(() => undefined)
      connection.disconnect()
    },
  }
}

/** Milliseconds in which a store that lives has heard that we go. */
const longestGoodbye = 2_000

const didNotSucceed = 'a job did not succeed; it is tried again'

/** Opens one queue's worker. */
export function openWorker<Name extends QueueName>(
  store: QueueStore,
  name: Name,
  act: (payload: Payloads[Name]) => Promise<void>,
  concurrency: number,
  log: Log,
): { close: () => Promise<void> } {
  const underWay = new Set<Promise<void>>()
  const processor: Processor<Payloads[Name], void> = async (job) => {
    const work = act(job.data)
    underWay.add(work)
    try {
      await work
    } catch (err) {
      const about = { err, queue: name, job: job.data }
      // With the database away each of a mailing's thousand chunks would say so, twice.
      if (isDatabaseAway(err)) warnSeldom(log, about, didNotSucceed, name)
      else log.warn(about, didNotSucceed)
      throw err
    } finally {
      underWay.delete(work)
    }
  }
  const options: Omit<WorkerOptions, 'connection'> = {
    concurrency,
    drainDelay: longestWait,
    // A worker killed between taking a job and leasing its rows leaves nothing but the job, and reconcile's wake-up of the
    // same name is swallowed for as long as that one seems to be worked: a lock's time and up to two looks, because whoever
    // looked last may have been killed as well. Ten of the 15 s of recovery; what is left is for a machine that is slow.
    lockDuration: 6_000,
    stalledInterval: 2_000,
    // A worker killed twice over one job must not make the job fail: the rows decide what is owed.
    maxStalledCount: 100,
    // Where the connection to the store was refused.
    runRetryDelay: 1_000,
  }
  if (store.redisUrl === null) {
    const connection = postgresOptions(store.databaseUrl)
    const worker = new CalmWorker(name, processor, { ...options, connection }, steadfastBackend)
    worker.on('error', tellTrouble(log, name))
    return {
      close: async () => {
        // It takes leave of its own connection as well, and over one that fell silent nobody answers.
        const closed = worker.close()
        await Promise.race([closed, Promise.allSettled(underWay).then(() => within(longestGoodbye, closed, undefined))])
        await Promise.allSettled(underWay)
      },
    }
  }
  // It waits for a job for so long at the most, and is answered then, if only that there is none. Of a connection that fell
  // silent nothing else tells, and what is asked over it would be waited for until the process is started anew.
  const connection = openRedis(store.redisUrl, {
    maxRetriesPerRequest: null,
    enableOfflineQueue: true,
    socketTimeout: (longestWait + 2) * 1_000,
  })
  connection.on('error', tellTrouble(log, name))
  const worker = new CalmWorker(name, processor, { ...options, connection, prefix })
  worker.on('error', tellTrouble(log, name))
  return {
    close: async () => {
      // Left to itself BullMQ waits for a Redis that is away or hangs, for as long as that takes; all we wait for is our own
      // work, and a moment for Redis to hear of its end.
      const isAway = connection.status !== 'ready'
      const goesAway = new Promise((resolve) => connection.once('close', resolve))
      const closed = Promise.race([worker.close(isAway), goesAway])
      await Promise.race([closed, Promise.allSettled(underWay).then(() => within(longestGoodbye, closed, undefined))])
      await Promise.allSettled(underWay)
      connection.disconnect()
    },
  }
}

type Patience = {
  maxRetriesPerRequest: number | null
  enableOfflineQueue: boolean
  commandTimeout?: number
  socketTimeout?: number
}

/** One node, or a cluster where REDIS_URL names several, parted by commas; the others are found by asking these. */
function openRedis(url: string, patience: Patience): Redis | Cluster {
  const nodes = url.split(/,(?=rediss?:)/)
  const retryStrategy = (times: number) => Math.min(200 * times, 2_000)
  // Connected anew, we are led to the one that has taken its place; in a cluster it says itself who has.
  if (nodes.length === 1) return new Redis(url, { ...patience, retryStrategy, reconnectOnError: saysItIsAReplica })
  const { enableOfflineQueue, ...redisOptions } = patience
  return new Cluster(nodes, {
    redisOptions: { ...redisOptions, ...loginOf(new URL(nodes[0]!)) },
    enableOfflineQueue,
    clusterRetryStrategy: retryStrategy,
  })
}

/**
 * One that has become another's replica keeps its connections, and takes up nothing more. Before Redis 7 what a script meets
 * is wrapped: `ERR Error running script (call to f_1a…): @user_script:1: @user_script: 1: -READONLY You can't write …`.
 */
export const saysItIsAReplica = ({ message }: Error) => /^(?:READONLY|ERR .*-READONLY) /.test(message)

/** A node that was found is known by host and port alone: what else its address would say is that of the first. */
const loginOf = ({ username, password, protocol }: URL) => ({
  ...(username === '' ? {} : { username: decodeURIComponent(username) }),
  ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  ...(protocol === 'rediss:' ? { tls: {} } : {}),
})

// A store that is away says so with every attempt to reach it; one line in five seconds tells as much.
function tellTrouble(log: Log, queue: QueueName): (error: Error) => void {
  let quietUntil = 0
  return (error) => {
    if (performance.now() < quietUntil) return
    quietUntil = performance.now() + 5_000
    log.warn({ err: error, queue }, 'the queue has trouble; the rows remember what is owed')
  }
}
