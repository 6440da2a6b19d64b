import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { findNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { fanOutJob } from '../../shared/queues/jobs.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { openTimetable } from '../../workers/scheduler/timetable.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { entries } from '../rig/entries.ts'
import { type Installation, startInstallation } from '../rig/installation.ts'
import { endProgram } from '../rig/programs.ts'
import { follow, readerHouse } from '../rig/reader-house.ts'
import { playHost, welcome } from '../rig/scripted-smtp.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let installation: Installation
beforeAll(async () => {
  database = await openTestDatabase()
  const its = { url: database.url, exited: new Promise<void>(() => {}), stop: async () => {} }
  installation = await startInstallation(entries, { redis: false, database: its })
})
afterAll(async () => {
  await installation.close()
  await database.close()
})

test('a workers process that is told to stop begins nothing new, also while a chore keeps it waiting', async () => {
  const { pool } = database
  const newsroom = (await findNewsroom(pool, installation.newsroom.slug))!
  const waking = openWakingQueues({ redisUrl: null, databaseUrl: database.url }, pino({ level: 'silent' }))
  const stopped = await inTransaction(pool, async (tx) => {
    // Whoever looks which digests are to be cut waits for this one.
    await tx.query('set local idle_in_transaction_session_timeout = 0')
    await tx.query('lock table digest_cuts in access exclusive mode')
    const workers = await installation.startWorkers('smtp://127.0.0.1:9')
    const waitsFor = `select from pg_locks where relation = 'digest_cuts'::regclass and not granted`
    await until('a chore waits', async () => ((await pool.query(waitsFor)).rowCount ?? 0) > 0)

    workers.kill('SIGTERM')
    const log = join(installation.folder, 'workers-1.log')
    await until('it has heard', () => readFileSync(log, 'utf8').includes('workers is stopping'))
    const { mailingId } = await givenMailing(pool, newsroom)
    waking.wake('fan-out', [fanOutJob(mailingId, 0)])
    await waking.settled()
    await until('it has ended', () => workers.exitCode !== null || workers.signalCode !== null, 40)
    const { rows } = await pool.query('select state, tries from mailings where id = $1', [mailingId])
    await endProgram(workers, 'SIGKILL')
    return { ended: workers.exitCode, mailing: rows[0] }
  })
  await waking.close()
  expect(stopped).toEqual({ ended: 0, mailing: { state: 'accepted', tries: 0 } })
})

test('a workers process that is told to stop puts back what the mail host does not ask for, notices too, and ends in order', async () => {
  const { pool } = database
  const newsroom = (await findNewsroom(pool, installation.newsroom.slug))!
  const host = await playHost(async (wire) => {
    await welcome(wire, 'PIPELINING')
    // It hears everything, and answers nothing.
    for (;;) await wire.hear()
  })
  const house = await readerHouse(pool)
  await givenReaders(pool, newsroom, 3)
  const { mailingId } = await givenMailing(pool, newsroom)
  await follow(house, newsroom, 'newcomer@example.org')
  await house.app.close()
  const workers = await installation.startWorkers(host.url)
  const begun = () => host.heard.flat().filter((line) => line.startsWith('MAIL FROM'))
  await until('all have begun', () => begun().length === 4)

  workers.kill('SIGTERM')
  await until('it has ended', () => workers.exitCode !== null || workers.signalCode !== null, 60)
  await host.close()
  expect(workers.exitCode).toBe(0)
  expect(begun()).toHaveLength(4)
  const { rows } = await pool.query('select state, attempt from deliveries where mailing_id = $1', [mailingId])
  expect(rows).toEqual(Array(3).fill({ state: 'due', attempt: 0 }))
  const notices = await pool.query(`select state, attempt from notices where state <> 'sent'`)
  expect(notices.rows).toEqual([{ state: 'deferred', attempt: 0 }])
})

test('a chore that comes to no end is not waited for, for ever', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const log = pino({ level: 'silent' })
    const hangs = { connect: () => new Promise<never>(() => {}) } as unknown as TestDatabase['pool']
    const timetable = openTimetable({ pool: hangs, log }, [{ name: 'reconcile', every: 5, act: async () => {} }])
    let isClosed = false
    void timetable.close().then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(4_000)
    expect(isClosed).toBe(false)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(isClosed).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
