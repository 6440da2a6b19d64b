import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPostgresBackend, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BoardQueue } from '../../services/ops/app.ts'
import { spend } from '../../shared/budget/budget.sql.ts'
import { watchedBudgets } from '../../shared/budget/budget.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Desk, deskPassword, here, openDesk } from '../rig/ops-desk.ts'
import { givenChunk, givenMailing, givenNewsroom } from '../rig/ops-given.ts'
import { freePort } from '../rig/programs.ts'

let postgres: TestDatabase
let mailingId: string

beforeAll(async () => {
  postgres = await openTestDatabase()
  const { pool } = postgres
  const newsroomId = await givenNewsroom(pool, 'lakselv', 'Lakselv kommune')
  mailingId = await givenMailing(pool, {
    newsroomId,
    title: 'Målt',
    state: 'sending',
    at: new Date(Date.now() - 600_000),
  })
  await givenMailing(pool, { newsroomId, title: 'Ferdig', state: 'done', at: new Date(), doneAt: new Date() })
  const late = new Date(Date.now() - 120_000)
  await givenChunk(pool, {
    mailingId,
    n: 0,
    size: 10,
    state: 'open',
    nextAt: late,
    leaseUntil: late,
    sent: 4,
    deferred: 2,
    inDoubt: 1,
  })
  await givenChunk(pool, {
    mailingId,
    n: 1,
    size: 10,
    state: 'open',
    nextAt: late,
    leaseUntil: new Date(Date.now() + 600_000),
  })
  await givenChunk(pool, { mailingId, n: 2, size: 10, state: 'open', nextAt: new Date(Date.now() + 600_000) })
}, 60_000)

afterAll(() => postgres?.close())

const basic = (password: string) => `Basic ${Buffer.from(`prometheus:${password}`).toString('base64')}`

describe('the metrics', () => {
  test('tell how near sign-ups are to their ceiling, before they reach it', async () => {
    const desk = await openDesk(postgres.pool)
    const used = async () => {
      const answer = await desk.app.inject({ url: '/metrics', headers: { authorization: basic(deskPassword) } })
      return /^pressebud_sign_up_ceiling_used\{ceiling="newsroom"\} (\S+)$/m.exec(answer.body)?.[1]
    }
    expect(await used()).toBe('0')
    const budget = { name: watchedBudgets.ceilings.newsroom, quota: 4, span: 3_600 }
    for (let time = 0; time < 3; time++)
      await spend(postgres.pool, Buffer.alloc(32), [{ budget, subject: 'x' }], new Date())
    expect(Number(await used())).toBeCloseTo(0.75, 1)
    await desk.app.close()
  })

  test('tell what waits, to a scraper that shows the password', async () => {
    const desk = await openDesk(postgres.pool)
    const { statusCode, body } = await desk.app.inject({
      url: '/metrics',
      headers: { authorization: basic(deskPassword) },
    })
    expect(statusCode).toBe(200)
    for (const line of [
      'pressebud_database_up 1',
      'pressebud_mailings{state="sending"} 1',
      'pressebud_mailings{state="done"} 1',
      'pressebud_mailings{state="embargoed"} 0',
      'pressebud_chunks_open 3',
      'pressebud_chunks_due 1',
      'pressebud_chunks_lapsed 1',
      // One worker holds a chunk, so the rest only waits its turn.
      'pressebud_stalled_seconds 0',
      'pressebud_live_deliveries{state="sent"} 4',
      'pressebud_live_deliveries{state="in_doubt"} 1',
    ])
      expect(body.split('\n')).toContain(line)
    const age = Number(/^pressebud_oldest_due_chunk_seconds (\S+)$/m.exec(body)?.[1])
    expect(age).toBeGreaterThanOrEqual(120)
    expect(body).toContain('process_cpu_seconds_total')
  })

  test('are opened by that password nowhere else, and its tries are limited too', async () => {
    const desk = await openDesk(postgres.pool)
    const right = { authorization: basic(deskPassword) }
    expect((await desk.app.inject({ url: '/machine', headers: right })).statusCode).toBe(401)
    expect((await desk.app.inject({ url: '/metrics' })).headers['www-authenticate']).toContain('Basic')
    for (let count = 0; count < 5; count += 1)
      expect(
        (await desk.app.inject({ url: '/metrics', headers: { authorization: basic(`guess ${count}`) } })).statusCode,
      ).toBe(401)
    const refused = await desk.app.inject({ url: '/metrics', headers: right })
    expect([refused.statusCode, Number(refused.headers['retry-after']) > 0]).toEqual([429, true])
  })

  test('still answer while the database is away, and say that it is', async () => {
    const { openPool } = await import('../../shared/postgres/pool.ts')
    const pool = openPool({ url: 'postgres://postgres@127.0.0.1:1/none', name: 'away', most: 1, onError: () => {} })
    const desk = await openDesk(pool)
    const { statusCode, body } = await desk.app.inject({
      url: '/metrics',
      headers: { authorization: basic(deskPassword) },
    })
    expect(statusCode).toBe(200)
    expect(body).toContain('pressebud_database_up 0')
    expect(body).toContain('process_cpu_seconds_total')
    expect(body).not.toContain('pressebud_chunks_open')
    await pool.end()
  })
})

describe.each(['PostgreSQL', 'Redis'] as const)('queues kept in %s', (store) => {
  const skipped = store === 'Redis' && !existsSync('/usr/bin/redis-server')
  let queue: BoardQueue
  let worker: { close(): Promise<void> }
  let desk: Desk
  let cookie: string
  let stop: () => Promise<void> = async () => {}

  beforeAll(async () => {
    if (skipped) return
    if (store === 'PostgreSQL') {
      const connection = { connectionString: postgres.url, schema: 'queues', migrate: true }
      const own = new Queue('mail-bulk', { connection }, createPostgresBackend)
      const worked = new Worker('mail-bulk', failing, { connection, autorun: false }, createPostgresBackend)
      own.on('error', () => {})
      worked.on('error', () => {})
      await worked.waitUntilReady()
      void worked.run()
      ;[queue, worker] = [own as unknown as BoardQueue, worked]
    } else {
      const redis = await startRedis()
      stop = redis.stop
      const connection = new Redis(redis.port, '127.0.0.1', { maxRetriesPerRequest: null })
      connection.on('error', () => {})
      const own = new Queue('mail-bulk', { connection })
      const worked = new Worker('mail-bulk', failing, { connection })
      own.on('error', () => {})
      worked.on('error', () => {})
      await worked.waitUntilReady()
      ;[queue, worker] = [own, worked]
      stop = async () => {
        connection.disconnect()
        await redis.stop()
      }
    }
    await queue.add('mail-bulk', { mailingId, chunk: 0 }, { jobId: 'mailing-1-chunk-0-turn-1' })
    await queue.add('mail-bulk', { mailingId, chunk: 1 }, { jobId: 'mailing-1-chunk-1-turn-1', delay: 3_600_000 })
    desk = await openDesk(postgres.pool, { boards: [queue] })
    cookie = await desk.login()
  }, 60_000)

  afterAll(async () => {
    await worker?.close()
    await queue?.close()
    await stop()
  })

  const failing = async () => {
    throw new Error('<img src=x onerror=alert(1)>')
  }

  test.skipIf(skipped)(
    'are shown by the board, whose jobs can be looked into, and which stops nothing',
    async () => {
      const page = await desk.app.inject({ url: '/queues', headers: { cookie } })
      expect(page.statusCode).toBe(200)
      expect(page.body).not.toContain('googleapis')
      expect(page.body).toContain('<base href="/queues/"')
      const script = /src="(static\/js\/main[^"]*)"/.exec(page.body)?.[1]
      expect((await desk.app.inject({ url: `/queues/${script}`, headers: { cookie } })).statusCode).toBe(200)

      const api = async (path: string) =>
        (await desk.app.inject({ url: `/queues/api${path}`, headers: { cookie } })).json()
      await until(async () => (await api('/queues?activeQueue=mail-bulk&page=1')).queues[0].counts.failed === 1)
      const [shown] = (await api('/queues?activeQueue=mail-bulk&page=1&status=failed')).queues
      expect(shown.counts).toMatchObject({ failed: 1, delayed: 1 })
      expect(shown.jobs[0].failedReason).toContain('onerror')

      for (const [method, path] of [
        ['PUT', 'mail-bulk/pause'],
        ['PUT', 'mail-bulk/mailing-1-chunk-1-turn-1/promote'],
        ['PUT', 'mail-bulk/empty'],
      ] as const) {
        const act = { method, url: `/queues/api/queues/${path}`, headers: { ...here, cookie } }
        expect([path, (await desk.app.inject(act)).statusCode]).toEqual([path, 405])
      }
      // All at once it pauses those that are not read-only.
      await desk.app.inject({ method: 'PUT', url: '/queues/api/queues/pause', headers: { ...here, cookie } })
      expect(await queue.isPaused()).toBe(false)
      expect(await queue.getJobCounts('delayed', 'failed')).toMatchObject({ delayed: 1, failed: 1 })
    },
    30_000,
  )

  test.skipIf(skipped)(
    'that somebody has paused with a tool of their own are told of on the front page and the machine page',
    async () => {
      const headers = { cookie, accept: 'text/html' }
      await queue.pause()
      for (const url of ['/', '/machine'])
        expect((await desk.app.inject({ url, headers })).body).toMatch(/Queues that are paused.*mail-bulk/s)
      await queue.resume()
      expect((await desk.app.inject({ url: '/', headers })).body).not.toContain('Queues that are paused')
    },
    30_000,
  )

  test.skipIf(skipped)(
    'are counted on the machine page, with the workers that listen',
    async () => {
      const { body } = await desk.app.inject({ url: '/machine', headers: { cookie, accept: 'text/html' } })
      const row = /<tr><th scope="row">mail-bulk<\/th>(.*?)<\/tr>/.exec(body)?.[1] ?? ''
      const cells = [...row.matchAll(/<td[^>]*>([^<]*)/g)].map((match) => match[1])
      expect(cells).toEqual(['0', '0', '1', '1', '1'])
      expect(body).toMatch(/<dt>Queues<\/dt><dd><a href="\/machine#queues"><bdi>all answer/)
    },
    30_000,
  )
})

test('a queue that does not answer is told and not waited for, on both pages and to a monitor', async () => {
  const connection = new Redis({ port: 1, maxRetriesPerRequest: null, lazyConnect: true, retryStrategy: () => 60_000 })
  connection.on('error', () => {})
  const queue = new Queue('mail-bulk', { connection, skipWaitingForReady: true })
  queue.on('error', () => {})
  const desk = await openDesk(postgres.pool, { boards: [queue] })
  const headers = { cookie: await desk.login(), accept: 'text/html' }
  const { statusCode, body } = await desk.app.inject({ url: '/machine', headers })
  expect(statusCode).toBe(200)
  expect(body).toContain('Did not answer. Letters wait until it does')
  const front = (await desk.app.inject({ url: '/', headers })).body
  expect(front).toMatch(/<strong>Queues: <bdi>1 does not answer<\/bdi>.*<\/strong> Letters wait until they do/)
  const told = await desk.app.inject({ url: '/metrics', headers: { authorization: basic(deskPassword) } })
  expect(told.body).toContain('pressebud_queue_up{queue="mail-bulk"} 0')
  connection.disconnect()
}, 15_000)

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to hold within 20 s')
    await new Promise((next) => setTimeout(next, 50))
  }
}

async function startRedis(): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-ops-redis-'))
  const server = spawn(
    '/usr/bin/redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
    { stdio: 'ignore' },
  )
  return {
    port,
    stop: async () => {
      const gone = new Promise((done) => server.once('exit', done))
      server.kill('SIGTERM')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
