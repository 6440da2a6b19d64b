import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { openLog } from '../../shared/log/log.ts'
import { setPaused } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { openPool } from '../../shared/postgres/pool.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import { writeBeat } from '../../shared/worker/worker.sql.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { openTimetable } from '../../workers/scheduler/timetable.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine, sendWholeChunk } from '../rig/engine.ts'
import { type Desk, deskPassword, openDesk } from '../rig/ops-desk.ts'
import { givenNewsroom as givenOffice, givenMailing as givenRow } from '../rig/ops-given.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

/** What goes on in vain, and leaves no letter behind that anybody would miss at once. */

let postgres: TestDatabase
let desk: Desk
let cookie: string

beforeAll(async () => {
  postgres = await openTestDatabase()
  desk = await openDesk(postgres.pool)
  cookie = await desk.login()
})
afterAll(() => postgres.close())
beforeEach(async () => {
  await emptyTables(postgres.pool)
  desk.clock.now = new Date()
  await writeBeat(postgres.pool, { ...worker, id: randomUUID() })
})

const worker = { host: 'mail-1', pid: 7, upMs: 60_000, acceptedLately: 1_234, keepsJournal: true, trouble: null }
const log = openLog('workers', 'silent')
const page = async (url: string) => (await desk.app.inject({ url, headers: { cookie, accept: 'text/html' } })).body
const gauge = async (name: string) =>
  Number(new RegExp(`^pressebud_${name} (\\S+)$`, 'm').exec(await page('/metrics'))?.[1])
/** What the front page says is wrong. */
const wrong = async () =>
  [...(await page('/')).matchAll(/note bad" role="status">\s*<p><strong>([^:]*):/g)].map(([, label]) => label)
const later = (seconds: number) => {
  desk.clock.now = new Date(Date.now() + seconds * 1000)
}

test('a chunk whose turns all end in a fault is told after a quarter of an hour, and no more once a letter leaves', async () => {
  const { pool } = postgres
  const inbox = await openRecordingInbox()
  const engine = openEngine(pool, inbox.url)
  const newsroom = await givenNewsroom(pool)
  await givenReaders(pool, newsroom, 5)
  const { mailingId } = await givenMailing(pool, newsroom)
  // Where the walk begins is drawn; here it is told, so that there is one chunk.
  await pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
  await cutAudience(engine.fanOut, mailingId)
  const [first] = engine.woken.splice(0)
  const job = first!.payload as Payloads['mail-bulk']
  const letters = { of: () => Promise.reject(new Error('no memory')) }
  const since = async () =>
    (await pool.query<{ since: Date | null }>('select vain_since as since from chunks')).rows[0]!.since
  const again = () => pool.query('update chunks set next_at = now(), lease_until = null')

  await expect(sendChunk({ ...engine.mailer, letters }, job)).rejects.toThrow('no memory')
  const began = await since()
  expect(began).not.toBeNull()
  await again()
  await expect(sendChunk({ ...engine.mailer, letters }, job)).rejects.toThrow('no memory')
  // A worker that is killed with it in hand says nothing at all.
  await again()
  await leaseChunk(pool, { mailingId, n: 0 }, null)
  expect(await since()).toEqual(began)

  const backdate = (minutes: number) =>
    pool.query(`update chunks set vain_since = now() - $1 * interval '1 minute'`, [minutes])
  await backdate(29)
  expect(await wrong()).not.toContain('Chunks worked in vain')
  await backdate(31)
  expect(await wrong()).toContain('Chunks worked in vain')
  expect(await page('/machine')).toContain(`href="/mailings/${mailingId}"><bdi>chunk 0 of mailing ${mailingId}, for 3`)
  expect(await gauge('longest_in_vain_seconds')).toBeGreaterThan(1_800)
  await setPaused(pool, mailingId as MailingId, true)
  expect(await wrong()).not.toContain('Chunks worked in vain')
  await setPaused(pool, mailingId as MailingId, false)
  // As after a night without workers: that nobody had it in hand is told elsewhere.
  await pool.query(`update chunks set next_at = now() - interval '11 minutes', lease_until = null`)
  expect(await wrong()).not.toContain('Chunks worked in vain')

  await again()
  const lease = await leaseChunk(pool, { mailingId, n: 0 }, null)
  // Let go in good order, as where the mail host is away: that is told elsewhere.
  await closeChunk(pool, lease!.chunk, 0)
  expect(await since()).toBeNull()
  await sendWholeChunk(engine.mailer, job)
  expect(inbox.received).toHaveLength(5)
  expect([await since(), await gauge('longest_in_vain_seconds')]).toEqual([null, 0])
  await engine.close()
  await inbox.close()
})

test('a letter that comes to its end says that a chunk is not in vain, however long it is in hand', async () => {
  const { pool } = postgres
  const inbox = await openRecordingInbox()
  const engine = openEngine(pool, inbox.url)
  const newsroom = await givenNewsroom(pool)
  await givenReaders(pool, newsroom, 3)
  const { mailingId } = await givenMailing(pool, newsroom)
  await pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
  await cutAudience(engine.fanOut, mailingId)
  await pool.query(`update chunks set vain_since = now() - interval '1 hour'`)
  const seen: (number | null)[] = []
  const look = async () => {
    const { rows } = await pool.query<{ age: number }>(
      'select extract(epoch from now() - vain_since)::float8 as age from chunks where lease_until is not null',
    )
    if (rows[0]) seen.push(rows[0].age)
  }
  // Between recording and giving the chunk back.
  const watched = new Proxy(pool, {
    get: (target, name) => {
      const value = Reflect.get(target, name)
      if (name !== 'query') return value
      return async (...given: [unknown, ...unknown[]]) => {
        if ((given[0] as { name?: string }).name === 'close-chunk') await look()
        return (value as (...all: unknown[]) => unknown).apply(target, given)
      }
    },
  })
  const [first] = engine.woken.splice(0)
  await sendWholeChunk({ ...engine.mailer, pool: watched }, first!.payload as Payloads['mail-bulk'])
  expect(inbox.received).toHaveLength(3)
  expect(seen).toHaveLength(1)
  expect(seen[0]).toBeLessThan(600)
  await engine.close()
  await inbox.close()
})

test('a chore that fails each time is told, with what goes undone, until it comes to its end', async () => {
  let isBroken = true
  let turns = 0
  const act = async () => {
    turns += 1
    if (isBroken) throw new Error('permission denied')
  }
  const chores = [{ name: 'forget', every: 0.01, act }]
  const timetable = openTimetable({ pool: postgres.pool, log }, chores)
  try {
    await until('it has failed some times', () => turns > 3)
    expect(await wrong()).toEqual([])
    later(320)
    expect(await wrong()).toContain('Chores of the clock')
    expect(await page('/')).toMatch(/forget not done for 5.*what has been kept long enough is not deleted/)
    expect(await gauge('chore_age_seconds\\{chore="forget"\\}')).toBeGreaterThan(300)
    await postgres.pool.query(`update chores set done_at = done_at - interval '1 hour'`)
    isBroken = false
    const done = `select from chores where done_at > now() - interval '1 minute'`
    await until('it is through', async () => (await postgres.pool.query(done)).rowCount === 1)
  } finally {
    await timetable.close()
  }
  desk.clock.now = new Date()
  expect(await wrong()).toEqual([])
  expect(await page('/machine')).toContain('all come to their end')
})

test('a mailing that was paused a day ago is asked after; one whose hour has not come is not', async () => {
  const { pool } = postgres
  const newsroomId = await givenOffice(pool, 'lakselv', 'Lakselv kommune')
  const at = new Date(Date.now() - 40 * 3_600_000)
  const sending = (await givenRow(pool, { newsroomId, title: 'Glemt', state: 'sending', at })) as MailingId
  const tomorrow = new Date(Date.now() + 86_400_000)
  await givenRow(pool, { newsroomId, title: 'Venter', state: 'embargoed', paused: true, at: tomorrow })
  await setPaused(pool, sending, true)
  await pool.query(`update mailings set paused_at = now() - interval '23 hours' where paused`)
  expect(await wrong()).not.toContain('Paused mailings')
  await pool.query(`update mailings set paused_at = now() - interval '25 hours' where paused`)
  expect(await wrong()).toContain('Paused mailings')
  expect(await gauge('longest_pause_seconds')).toBeGreaterThan(86_400)
  await setPaused(pool, sending, false)
  expect(await wrong()).not.toContain('Paused mailings')
})

test('an audience that waited because its mailing was paused waits from when that went on', async () => {
  const { pool } = postgres
  const newsroomId = await givenOffice(pool, 'vadso', 'Vadsø kommune')
  const at = new Date(Date.now() - 9 * 3_600_000)
  const id = (await givenRow(pool, { newsroomId, title: 'Natt', state: 'cutting', at })) as MailingId
  expect(await wrong()).toContain('Mailings waiting to be cut')
  await setPaused(pool, id, true)
  await setPaused(pool, id, false)
  expect(await wrong()).not.toContain('Mailings waiting to be cut')
  later(70)
  expect(await wrong()).toContain('Mailings waiting to be cut')
})

test('a database that may only be read is named, and is not up to a monitor', async () => {
  const options = '-c default_transaction_read_only=on'
  const url = `${postgres.url}?options=${encodeURIComponent(options)}`
  const pool = openPool({ url, name: 'standby', most: 4, onError: () => {} })
  const standby = await openDesk(pool)
  const headers = { cookie: await standby.login(), accept: 'text/html' }
  expect((await standby.app.inject({ url: '/', headers })).body).toContain('may only be read')
  const authorization = `Basic ${Buffer.from(`prometheus:${deskPassword}`).toString('base64')}`
  const { body } = await standby.app.inject({ url: '/metrics', headers: { authorization } })
  expect(body).toContain('pressebud_database_up 0')
  expect(await gauge('database_up')).toBe(1)
  await standby.app.close()
  await pool.end()
})

test('workers that keep no journal are counted; what a silent one said of its letters is not', async () => {
  const { pool } = postgres
  await writeBeat(pool, { ...worker, id: randomUUID(), host: 'mail-2', keepsJournal: false })
  expect([await gauge('workers_without_journal'), await gauge('letters_taken_last_minute')]).toEqual([1, 2_468])
  expect(await page('/machine')).toContain('1 process keeps none')
  expect(await wrong()).toEqual(['Journals of hand-overs'])
  await pool.query(`update workers set beat_at = now() - interval '60 seconds' where host = 'mail-2'`)
  expect([await gauge('workers_without_journal'), await gauge('letters_taken_last_minute')]).toEqual([0, 1_234])
})

test('a mailing that goes on after hours of pause is not said to have waited in vain for them', async () => {
  const { pool } = postgres
  const engine = openEngine(pool, 'smtp://127.0.0.1:1')
  const newsroom = await givenNewsroom(pool)
  await givenReaders(pool, newsroom, 5)
  const { mailingId } = await givenMailing(pool, newsroom)
  await cutAudience(engine.fanOut, mailingId)
  await setPaused(pool, mailingId, true)
  await pool.query(`update chunks set next_at = now() - interval '5 hours'`)
  await pool.query(`update mailings set started_at = now() - interval '5 hours'`)
  await setPaused(pool, mailingId, false)
  expect(await wrong()).toEqual([])
  later(40)
  expect(await wrong()).toContain('Oldest due chunk')
  await engine.close()
})
