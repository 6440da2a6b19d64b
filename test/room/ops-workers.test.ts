import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openLog } from '../../shared/log/log.ts'
import { readHeldDoubts } from '../../shared/mailing/held-doubts.sql.ts'
import { writeBeat } from '../../shared/worker/worker.sql.ts'
import { noJournals } from '../../workers/mailer/hand-over-journal.ts'
import { openHeartbeat } from '../../workers/mailer/heartbeat.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { type Desk, openDesk } from '../rig/ops-desk.ts'
import { givenChunk, givenNewsroom as givenOffice, givenMailing as givenRow } from '../rig/ops-given.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

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
  await postgres.pool.query('truncate workers')
  desk.clock.now = new Date()
})

const log = openLog('workers', 'silent')
const page = async (url: string) => (await desk.app.inject({ url, headers: { cookie, accept: 'text/html' } })).body
const gauge = async (name: string) =>
  new RegExp(`^pressebud_${name} (\\S+)$`, 'm').exec(await page('/metrics'))?.[1] ?? 'none'
const later = (seconds: number) => {
  desk.clock.now = new Date(Date.now() + seconds * 1000)
}
const worker = { host: 'mail-1', pid: 7, upMs: 60_000, acceptedLately: 1_234, keepsJournal: true }

describe('workers processes', () => {
  test('that nobody has started are missed, on both pages and in the metrics', async () => {
    for (const url of ['/', '/machine']) expect(await page(url)).toContain('none is heard')
    expect([await gauge('workers'), await gauge('worker_heartbeat_age_seconds')]).toEqual(['0', '+Inf'])
  })

  test('are shown with their heartbeat, and missed half a minute after the last one', async () => {
    await writeBeat(postgres.pool, { ...worker, id: randomUUID(), trouble: null })
    expect(await page('/machine')).toMatch(/mail-1<.*process 7<.*Works<.*1,234<.*No trouble known/s)
    expect(await page('/')).not.toContain('note bad')
    expect(await gauge('workers')).toBe('1')
    later(31)
    expect(await page('/machine')).toMatch(/none is heard.*Silent</s)
    expect(await gauge('workers')).toBe('0')
    expect(Number(await gauge('worker_heartbeat_age_seconds'))).toBeGreaterThan(30)
  })

  test('leave no row when they end in good order, and are taken off by the others when they vanish', async () => {
    const engine = openEngine(postgres.pool, 'smtp://127.0.0.1:1')
    const rows = async () => (await postgres.pool.query('select host from workers order by 1')).rows.length
    const ending = openHeartbeat({
      pool: postgres.pool,
      log,
      circuit: openRelayCircuit(log),
      watch: { waitsFor: () => 0 },
      journals: noJournals,
    })
    await ending.beat()
    expect(await rows()).toBe(1)
    await ending.close()
    expect(await rows()).toBe(0)

    await writeBeat(postgres.pool, { ...worker, id: randomUUID(), trouble: null })
    await writeBeat(postgres.pool, { ...worker, id: randomUUID(), host: 'gone', trouble: null })
    await postgres.pool.query(`update workers set beat_at = now() - interval '85 seconds' where host = 'gone'`)
    await engine.reconcileAndSend()
    expect(await rows()).toBe(2)
    await postgres.pool.query(`update workers set beat_at = now() - interval '91 seconds' where host = 'gone'`)
    await engine.reconcileAndSend()
    expect(await rows()).toBe(1)
    await engine.close()
  })

  test('that cannot use the mail host say so in red with what was seen, until it takes a letter again', async () => {
    const inbox = await openRecordingInbox()
    const broken = openEngine(postgres.pool, 'smtp://127.0.0.1:1')
    const newsroom = await givenNewsroom(postgres.pool)
    await givenReaders(postgres.pool, newsroom, ['ada@example.com', 'bo@example.com'])
    const { circuit } = broken.mailer
    const heartbeat = openHeartbeat({
      pool: postgres.pool,
      log,
      circuit,
      watch: { waitsFor: () => 0 },
      journals: noJournals,
    })
    const { mailingId } = await givenMailing(postgres.pool, newsroom)
    await broken.send(mailingId)
    await heartbeat.beat()
    expect(await page('/machine')).toMatch(
      /<span class="alarm"><strong>The mail host cannot be used:<\/strong> .*ECONNREFUSED/,
    )
    expect(await page('/')).toMatch(/note bad.*The mail host cannot be used/s)
    expect(await gauge('workers_cut_off')).toBe('1')

    const mended = openEngine(postgres.pool, inbox.url, { circuit })
    await until('the rest is over and the letters have left', async () => {
      await postgres.pool.query(`update chunks set next_at = now() where state <> 'done'`)
      await mended.reconcileAndSend()
      return inbox.received.length === 2
    })
    await heartbeat.beat()
    expect(await gauge('workers_cut_off')).toBe('0')
    expect(await page('/machine')).not.toContain('cannot be used:')
    await heartbeat.close()
    await Promise.all([broken.close(), mended.close()])
    await inbox.close()
  })

  test('whose trouble is old, because nothing was due since, are not called cut off; a host’s words stay text', async () => {
    const detail = '550 <img src=x onerror=alert(1)> sender <press.office@mail.example> refused'
    const trouble = { detail, sinceMs: 400_000, triedMs: 301_000, restMs: 0 }
    await writeBeat(postgres.pool, { ...worker, id: randomUUID(), trouble })
    const body = await page('/machine')
    expect(body).toContain('The last try failed:')
    expect(body).toContain('&lt;img')
    expect(body).not.toContain('press.office')
    expect(await gauge('workers_cut_off')).toBe('0')
  })
})

test('letters held in doubt are counted and their mailings linked, those that are done too, until they are forgotten', async () => {
  const { pool } = postgres
  expect(await gauge('held_doubts')).toBe('0')
  expect(await page('/machine')).toContain('No letter waits for an operator to settle it.')
  const newsroomId = await givenOffice(pool, 'lakselv', 'Lakselv kommune')
  const at = new Date()
  const done = await givenRow(pool, { newsroomId, title: 'Ferdig <b>', state: 'done', at, doneAt: at })
  const live = await givenRow(pool, { newsroomId, title: 'Underveis', state: 'sending', at })
  await givenChunk(pool, { mailingId: done, n: 0, size: 9, state: 'done', nextAt: at, sent: 7, inDoubt: 2 })
  await givenChunk(pool, { mailingId: done, n: 1, size: 9, state: 'done', nextAt: at, sent: 8, inDoubt: 1 })
  await givenChunk(pool, { mailingId: live, n: 0, size: 9, state: 'open', nextAt: at, sent: 1, inDoubt: 4 })
  expect(await gauge('held_doubts')).toBe('7')
  expect(await page('/')).toMatch(/<strong>Letters held in doubt: <bdi>7<\/bdi>/)
  const body = await page('/machine')
  expect(body).toContain('<b>7 letters</b> of 2 mailings')
  expect(body).toMatch(new RegExp(`href="/mailings/${done}#doubts"><bdi>Ferdig &lt;b&gt;</bdi></a></dt><dd>3 letters`))
  expect(body).toContain(`href="/mailings/${live}#doubts"`)
  await pool.query('update mailings set forgotten_at = now() where id = $1', [done])
  expect(await gauge('held_doubts')).toBe('4')
  expect((await readHeldDoubts(pool, 5)).newest).toEqual([live])
})

test('a mailing that gave up on more than a tenth of its readers is told where an operator looks first, for a day', async () => {
  const { pool } = postgres
  const newsroomId = await givenOffice(pool, 'vadso', 'Vadsø kommune')
  const at = new Date()
  const given = async (title: string, failed: number) => {
    const id = await givenRow(pool, { newsroomId, title, state: 'done', at, doneAt: at })
    await givenChunk(pool, { mailingId: id, n: 0, size: 100, state: 'done', nextAt: at, sent: 100 - failed, failed })
    return id
  }
  await given('Nesten alle', 10)
  expect([await gauge('letters_given_up'), await gauge('mailings_falling_short')]).toEqual(['10', '0'])
  expect(await page('/')).not.toContain('<strong>Letters given up')
  const short = await given('Mange uten', 11)
  expect([await gauge('letters_given_up'), await gauge('mailings_falling_short')]).toEqual(['21', '1'])
  expect(await page('/')).toMatch(/<strong>Letters given up since yesterday: <bdi>21<\/bdi>/)
  expect(await page('/machine')).toContain(`href="/mailings/${short}"`)
  await pool.query(`update mailings set done_at = now() - interval '25 hours' where id = $1`, [short])
  expect(await gauge('mailings_falling_short')).toBe('0')
})
