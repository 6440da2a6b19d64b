import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MIGRATION_ADVISORY_LOCK_KEY } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Log } from '../../shared/log/log.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { postgresOptions } from '../../shared/queues/postgres-backend.ts'
import { openWorker, type QueueStore } from '../../shared/queues/queue-store.ts'
import { openWakingQueues, type WakingQueues } from '../../shared/queues/wake.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { entry } from '../rig/entries.ts'
import { endProgram, findProgram, freePort, type RedisServer, startRedis } from '../rig/programs.ts'
import { until } from '../rig/until.ts'
import { openWay } from '../rig/way.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null
const silent = pino({ level: 'silent' })
const notice = (id: string) => ({ noticeId: id as NoticeId })

/** Closed after each test, the last opened first. */
const opened: (() => Promise<void>)[] = []
const closeAll = async () => {
  for (const close of opened.splice(0).reverse()) await close()
}
afterEach(closeAll)

function wakeOn(store: QueueStore, log: Log = silent): WakingQueues {
  const waking = openWakingQueues(store, log)
  opened.push(waking.close)
  return waking
}

/** A worker of the notices, one at a time; returns the ids in the order they were worked. */
function workOn(store: QueueStore, act: (id: string) => Promise<void> = async () => {}, log: Log = silent): string[] {
  const worked: string[] = []
  const worker = openWorker(
    store,
    'notices',
    async ({ noticeId }) => {
      await act(noticeId)
      worked.push(noticeId)
    },
    1,
    log,
  )
  opened.push(worker.close)
  return worked
}

const ready = (waking: WakingQueues) => Promise.all(waking.queues.map((queue) => queue.waitUntilReady()))

const isAway = 'the queue is away; the rows wait to be found'

/** Hints until one is refused: each is given at once, so none waits for the answer of a server that is gone. */
const untilNoticed = (waking: WakingQueues, log: RecordedLog) =>
  until('the break is noticed', () => {
    waking.wake('fan-out', [{ payload: { mailingId: '1' as MailingId }, id: 'mailing-1-turn-0' }])
    return log.said.join('').includes(isAway)
  })

type RecordedLog = Log & { readonly said: string[] }

function recordedLog(): RecordedLog {
  const said: string[] = []
  return Object.assign(pino({ level: 'warn' }, { write: (line: string) => void said.push(line) }), { said })
}

const jobsIn = async (waking: WakingQueues) => {
  const queue = waking.queues.find(({ name }) => name === 'notices')!
  const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed')
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

describe.each(['postgres', 'redis'] as const)('the queues on %s', (kind) => {
  describe.skipIf(kind === 'redis' && !hasRedis)('with a server that is there', () => {
    let database: TestDatabase
    let redis: RedisServer | null = null
    let folder: string
    let store: QueueStore

    beforeAll(async () => {
      database = await openTestDatabase()
      folder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
      redis = kind === 'redis' ? await startRedis(folder) : null
      store = { redisUrl: redis?.url ?? null, databaseUrl: database.url }
    })
    afterAll(async () => {
      await redis?.close()
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test('a wake-up is worked, whether it came before the worker or after', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      waking.wake('notices', [{ payload: notice('early'), id: 'notice-early' }])
      await waking.settled()
      const worked = workOn(store)
      await until('the first is worked', () => worked.includes('early'))
      waking.wake('notices', [{ payload: notice('late'), id: 'notice-late' }])
      await until('the second is worked', () => worked.includes('late'))
      expect(worked).toEqual(['early', 'late'])
    })

    test('a job that does not succeed is told of, with what it was about, and tried again', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      const log = recordedLog()
      let tries = 0
      const act = async () => {
        tries += 1
        if (tries === 1) throw new Error('The process that compiles letters ended')
      }
      const worked = workOn(store, act, log)
      waking.wake('notices', [{ payload: notice('stumbling'), id: 'notice-stumbling' }])
      await until('it is worked', () => worked.includes('stumbling'))
      expect(log.said.map((line) => JSON.parse(line))).toEqual([
        expect.objectContaining({
          msg: 'a job did not succeed; it is tried again',
          queue: 'notices',
          job: { noticeId: 'stumbling' },
          err: expect.objectContaining({ message: 'The process that compiles letters ended' }),
        }),
      ])
    })

    test('that the database is away is told of once, however many jobs meet it', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      const log = recordedLog()
      const tried = new Set<string>()
      const act = async (id: string) => {
        if (tried.has(id)) return
        tried.add(id)
        throw new Error('Connection terminated unexpectedly')
      }
      const worked = workOn(store, act, log)
      const ids = ['one', 'two', 'three']
      waking.wake(
        'notices',
        ids.map((id) => ({ payload: notice(id), id: `notice-${id}` })),
      )
      await until('they are worked', () => ids.every((id) => worked.includes(id)))
      expect(tried.size).toBe(3)
      expect(log.said).toHaveLength(1)
    })

    test('two wake-ups of one name are one job while it waits, and the name works again once it is done', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      const twice = { payload: notice('one'), id: 'notice-one-attempt-0' }
      waking.wake('notices', [twice, twice])
      await waking.settled()
      waking.wake('notices', [twice])
      await waking.settled()
      expect(await jobsIn(waking)).toBe(1)
      const worked = workOn(store)
      await until('it is worked and gone', async () => worked.length === 1 && (await jobsIn(waking)) === 0)
      waking.wake('notices', [twice])
      await until('it is worked anew', () => worked.length === 2)
    })

    test('the lowest rank goes first, whatever order they came in', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      for (const rank of [40, 3, 2_000_000, 0, 9_999_999])
        waking.wake('notices', [{ payload: notice(String(rank)), id: `notice-rank-${rank}`, rank }])
      await waking.settled()
      const worked = workOn(store)
      await until('all are worked', () => worked.length === 5)
      expect(worked).toEqual(['0', '3', '40', '2000000', '9999999'])
    })

    test('each queue has its own workers: a million letters waiting do not hold up a notice', async () => {
      const waking = wakeOn(store)
      await ready(waking)
      waking.wake(
        'mail-bulk',
        Array.from({ length: 300 }, (_, chunk) => ({
          payload: { mailingId: '1' as MailingId, chunk },
          id: `mailing-1-chunk-${chunk}-turn-0`,
          rank: chunk,
        })),
      )
      await waking.settled()
      const worked = workOn(store)
      waking.wake('notices', [{ payload: notice('prompt'), id: 'notice-prompt' }])
      await until('the notice is worked', () => worked.includes('prompt'))
    })

    test('closed, they leave nothing open: the process ends by itself', async () => {
      expect(await runToTheEnd(store)).toEqual({ said: ['worked', 'closed'], code: 0 })
    })
  })
})

describe('a process whose first word to the store is not heard works as soon as it is', () => {
  const stores = [
    // One for each of three queues and one for the worker, and then for a second time.
    { kind: 'PostgreSQL', refused: () => true, often: 8 },
    // Asked once for each connection to be ready, and once more by BullMQ, which the worker does.
    { kind: 'Redis', refused: (asked: string) => asked.split(/\r\ninfo\r\n/i).length > 2, often: 4 },
  ] as const
  test.for(stores)('$kind', async ({ kind, refused, often }, { skip, onTestFinished }) => {
    if (kind === 'Redis' && !hasRedis) skip('redis-server is not installed')
    const folder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
    const server = kind === 'Redis' ? await startRedis(folder) : await openTestDatabase()
    const way = await openWay(server.url)
    onTestFinished(async () => {
      await way.close()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    })
    way.turnsAway = refused
    // A process of its own: where nothing is waited for between two tries it stands still, and would do so with this one.
    const ended = runToTheEnd({ redisUrl: kind === 'Redis' ? way.url : null, databaseUrl: way.url })
    await until('it has come again', () => way.turnedAway >= often)
    way.turnsAway = () => false
    expect(await ended).toEqual({ said: ['worked', 'closed'], code: 0 })
  })
})

describe.skipIf(!hasRedis)('the queues while Redis is away', () => {
  let folder: string
  let port: number
  let redis: RedisServer
  let store: QueueStore

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
    port = await freePort()
    redis = await startRedis(folder, port)
    store = { redisUrl: redis.url, databaseUrl: 'postgres://127.0.0.1:1/none' }
  })
  afterEach(async () => {
    redis.child.kill('SIGCONT')
    await redis.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A Redis that lost everything it had. */
  const comeBackEmpty = async () => {
    rmSync(folder, { recursive: true, force: true })
    folder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
    redis = await startRedis(folder, port)
  }

  test('a hint is dropped with a word in the log, and works again when an empty Redis is back', async () => {
    const log = recordedLog()
    const waking = wakeOn(store, log)
    const worked = workOn(store)
    await ready(waking)
    waking.wake('notices', [{ payload: notice('before'), id: 'notice-before' }])
    await until('it is worked', () => worked.includes('before'))

    await endProgram(redis.child, 'SIGKILL')
    await untilNoticed(waking, log)
    waking.wake('notices', [{ payload: notice('during'), id: 'notice-during' }])
    await waking.settled()
    expect(log.said.filter((line) => line.includes(isAway) && line.includes('notices'))).toHaveLength(1)

    await comeBackEmpty()
    await until('it is worked', () => {
      // The row is still due, so the reconciler hints again and again, under the same name.
      waking.wake('notices', [{ payload: notice('during'), id: 'notice-during' }])
      return worked.includes('during')
    })
    expect(worked.slice(0, 2)).toEqual(['before', 'during'])
  })

  test('hints given while it is away, or just as it goes, take no room', async () => {
    const log = recordedLog()
    const waking = wakeOn(store, log)
    await ready(waking)
    const hint = (n: number) => {
      const id = `mailing-${n}-chunk-0-turn-0`
      waking.wake('mail-bulk', [{ payload: { mailingId: String(n) as MailingId, chunk: 0 }, id }])
    }
    // Nobody has noticed yet when the first of them are given.
    redis.child.kill('SIGKILL')
    for (let n = 0; n < 1_000; n += 1) hint(n)
    await untilNoticed(waking, log)
    await waking.settled()
    const before = heapUsed()
    for (let n = 0; n < 200_000; n += 1) {
      hint(n)
      log.said.length = 0
    }
    await waking.settled()
    // Kept, each would take some hundred bytes: 20 MB and more.
    expect(heapUsed() - before).toBeLessThan(5_000_000)
  })

  test('hints given while it hangs take no room, and it is found out and found again', async () => {
    const log = recordedLog()
    const waking = wakeOn(store, log)
    const worked = workOn(store)
    await ready(waking)
    expect(await waking.answers()).toBe(true)
    const quiet = heapUsed()
    redis.child.kill('SIGSTOP')
    const hint = (n: number) => {
      const id = `mailing-${n}-chunk-0-turn-0`
      waking.wake('mail-bulk', [{ payload: { mailingId: String(n) as MailingId, chunk: 0 }, id }])
    }
    for (let n = 0; n < 3_000; n += 1) hint(n)
    expect(log.said.join('')).toContain(isAway)
    const before = heapUsed()
    for (let n = 0; n < 200_000; n += 1) {
      hint(n)
      log.said.length = 0
    }
    expect(heapUsed() - before).toBeLessThan(5_000_000)
    // Those it was given are given up, and with them the connection: nothing waits for the day it answers.
    await waking.settled()
    log.said.length = 0
    expect(heapUsed() - quiet).toBeLessThan(5_000_000)

    redis.child.kill('SIGCONT')
    await until('it is worked', () => {
      waking.wake('notices', [{ payload: notice('after'), id: 'notice-after' }])
      return worked.includes('after')
    })
    await until('each queue is there again', () => waking.answers())
  })

  test('one that is full takes no wake-up, and is worked again when it has room', async () => {
    const log = recordedLog()
    const waking = wakeOn(store, log)
    const worked = workOn(store, async () => {}, log)
    await ready(waking)
    const operator = new Redis(redis.url)
    opened.push(async () => operator.disconnect())
    await operator.config('SET', 'maxmemory', '1')
    waking.wake('notices', [{ payload: notice('before'), id: 'notice-before' }])
    await waking.settled()
    expect(log.said.join('')).toContain('could not wake the workers')
    await until('the worker has met it', () => log.said.join('').includes('the queue has trouble'))
    expect(worked).toEqual([])

    await operator.config('SET', 'maxmemory', '0')
    waking.wake('notices', [{ payload: notice('after'), id: 'notice-after' }])
    await until('it is worked', () => worked.includes('after'))
  })

  test('one that has become the replica of another is left for that one', async ({ onTestFinished }) => {
    const nextFolder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
    const next = await startRedis(nextFolder)
    const way = await openWay(redis.url)
    onTestFinished(async () => {
      await closeAll()
      await way.close()
      await next.close()
      rmSync(nextFolder, { recursive: true, force: true })
    })
    const log = recordedLog()
    const waking = wakeOn({ ...store, redisUrl: way.url }, log)
    const worked = workOn({ ...store, redisUrl: way.url })
    await ready(waking)
    waking.wake('notices', [{ payload: notice('before'), id: 'notice-before' }])
    await until('it is worked', () => worked.includes('before'))

    way.leadTo(next.url)
    const operator = new Redis(redis.url)
    await operator.replicaof('127.0.0.1', Number(new URL(next.url).port))
    operator.disconnect()
    await until('it is worked', () => {
      waking.wake('notices', [{ payload: notice('after'), id: 'notice-after' }])
      return worked.includes('after')
    })
    expect(worked.slice(0, 2)).toEqual(['before', 'after'])
  })

  test('a worker can be closed, and finishes what it is doing first', async () => {
    let finish = () => {}
    let begun = false
    const worked = workOn(store, () => {
      begun = true
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    const waking = wakeOn(store)
    await ready(waking)
    waking.wake('notices', [{ payload: notice('letter'), id: 'notice-letter' }])
    await until('it is being worked', () => begun)
    await endProgram(redis.child, 'SIGKILL')
    let isClosed = false
    const closed = closeAll().then(() => {
      isClosed = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect([worked, isClosed]).toEqual([[], false])
    finish()
    await closed
    expect(worked).toEqual(['letter'])
  })

  test('what was opened without it can be closed, and the process ends by itself', async () => {
    await redis.close()
    expect(await runToTheEnd(store, 'away')).toEqual({ said: ['closed'], code: 0 })
  })

  test('a process that starts before its Redis works as soon as there is one', async () => {
    await redis.close()
    const waking = wakeOn(store)
    const worked = workOn(store)
    waking.wake('notices', [{ payload: notice('lost'), id: 'notice-lost' }])
    await comeBackEmpty()
    await ready(waking)
    waking.wake('notices', [{ payload: notice('found'), id: 'notice-found' }])
    await until('it is worked', () => worked.includes('found'))
    expect(worked).toEqual(['found'])
  })
})

test('a worker on PostgreSQL that was busy since it began hears of jobs, though all its connections fell silent', async ({
  onTestFinished,
}) => {
  const database = await openTestDatabase()
  const way = await openWay(database.url)
  onTestFinished(async () => {
    await closeAll()
    await way.close()
    await database.close()
  })
  const waking = wakeOn({ redisUrl: null, databaseUrl: database.url })
  await ready(waking)
  const wake = (id: string) => waking.wake('notices', [{ payload: notice(id), id: `notice-${id}` }])
  wake('first')
  await waking.settled()
  let isBusy = false
  let goOn = () => {}
  const patience = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const worked = workOn({ redisUrl: null, databaseUrl: way.url }, async (id) => {
    isBusy = true
    if (id === 'first') await patience
  })
  await until('it is at the first', () => isBusy)
  way.fallSilent()
  goOn()
  wake('second')
  await until('the second is worked', () => worked.includes('second'), 40)
  // Now there is nothing to do, and for the first time it has to listen.
  await until('nothing is left', async () => (await jobsIn(waking)) === 0, 40)
  await new Promise((resolve) => setTimeout(resolve, 500))
  wake('third')
  await until('the third is worked', () => worked.includes('third'), 40)
})

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

/** A process that opens the queues, works one job if there is a store, closes, and has nothing more to do. */
async function runToTheEnd(store: QueueStore, way: 'there' | 'away' = 'there') {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-queues-'))
  const script = join(folder, 'script.mjs')
  const from = (path: string) => JSON.stringify(pathToFileURL(entry(path)).href)
  writeFileSync(
    script,
    `import { openLog } from ${from('shared/log/log.js')}
     import { openWorker } from ${from('shared/queues/queue-store.js')}
     import { openWakingQueues } from ${from('shared/queues/wake.js')}
     const store = ${JSON.stringify(store)}
     const log = openLog('test', 'silent')
     const waking = openWakingQueues(store, log)
     let worker
     const worked = new Promise((resolve) => {
       worker = openWorker(store, 'notices', async () => resolve(), 1, log)
     })
     if (${way === 'there'}) {
       await Promise.all(waking.queues.map((queue) => queue.waitUntilReady()))
       waking.wake('notices', [{ payload: { noticeId: 'x' }, id: 'notice-x' }])
       await worked
       console.log('worked')
     }
     await worker.close()
     await waking.close()
     console.log('closed')`,
  )
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString()
  })
  try {
    await until('the process has ended', () => child.exitCode !== null || child.signalCode !== null)
  } finally {
    await endProgram(child, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  return { said: said.trim().split('\n'), code: child.exitCode }
}

test('a process that fell silent while it looked at the tables of its queues on PostgreSQL keeps no other from starting', async ({
  onTestFinished,
}) => {
  const database = await openTestDatabase()
  const store = { redisUrl: null, databaseUrl: database.url }
  const { schema, max: _, Client, ...settings } = postgresOptions(database.url)
  const gone = new Client(settings)
  onTestFinished(async () => {
    await closeAll()
    await gone.end().catch(() => undefined)
    await database.close()
  })
  await gone.connect()
  await gone.query('begin')
  await gone.query('select pg_advisory_xact_lock($1, hashtext($2))', [MIGRATION_ADVISORY_LOCK_KEY, schema])
  const worked = workOn(store)
  wakeOn(store).wake('notices', [{ payload: notice('waiting'), id: 'notice-waiting' }])
  await until('it is worked', () => worked.includes('waiting'))
})
