import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { restoreRefused } from '../../shared/delivery/restore-refused.sql.ts'
import { cancelMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { findMailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { here, openDesk } from '../rig/ops-desk.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { type } from './cli-rig.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let other: Newsroom
let readers: Reader[]
let mailingId: MailingId

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

/** A mail host whose directory was empty for an hour: of 25 readers it knew five. The first two follow another newsroom, too. */
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 10 })
  newsroom = await givenNewsroom(database.pool)
  other = await givenNewsroom(database.pool)
  const known = (await givenReaders(database.pool, newsroom, 5)).map(({ address }) => address)
  const unknown = Array.from({ length: 20 }, (_, n) => `lost${n}@readers.example`)
  readers = await givenReaders(database.pool, newsroom, [...known, ...unknown])
  await givenReaders(database.pool, other, unknown.slice(0, 2))
  for (const address of unknown) inbox.refuse(address, { code: 550, text: `5.1.1 <${address}>: User unknown` })
  mailingId = (await givenMailing(database.pool, newsroom)).mailingId
  await engine.send(mailingId)
  for (const address of unknown) inbox.refuse(address, { code: 550, text: 'never again', times: 0 })
  return async () => {
    await engine.close()
    await inbox.close()
  }
})

const followed = async () => {
  const { rows } = await database.pool.query<{ count: number }>(
    `select count(*)::int as count from subscriptions where state = 'active'`,
  )
  return rows[0]!.count
}
const suppressed = async () => (await database.pool.query('select from suppressions')).rowCount
const figures = async () => {
  const { state, totals } = (await findMailingProgress(database.pool, mailingId))!
  return { state, sent: totals.sent, bounced: totals.bounced, letters: inbox.received.length }
}
const run = (line: string) => type(line.split(' '), { env: { DATABASE_URL: database.url } })
const subscriberOf = (address: string) =>
  database.pool.query<{ id: string }>('select id from subscribers where address = $1', [address])

describe('readers whose addresses a mail host refused for good', () => {
  test('are told of at the desk, with the words that bring them back', async () => {
    expect([await followed(), await suppressed()]).toEqual([5, 20])
    const desk = await openDesk(database.pool)
    const headers = { ...here, cookie: await desk.login(), accept: 'text/html' }
    expect((await desk.app.inject({ url: '/', headers })).body).toMatch(
      new RegExp(`Addresses refused for good.*mailing restore-readers ${mailingId}`, 's'),
    )
    await desk.app.close()
  })

  test('are asked about first, with what was said of them, and no address', async () => {
    const { exit, err } = await run(`mailing restore-readers ${mailingId}`)
    expect([exit, await followed()]).toEqual([2, 5])
    expect(err).toMatch(/20 letters were refused for good.*20 × 550 5\.1\.1 …/s)
    expect(err).not.toContain('lost1@')
    expect(err).toContain(`restore-readers ${mailingId} --yes`)
    expect(await run('mailing restore-readers 4711 --yes')).toMatchObject({ exit: 1 })
  })

  test('are brought back to all they followed, and get the release once', async () => {
    const { out } = await run(`mailing restore-readers ${mailingId} --yes`)
    expect(out).toContain('22 subscriptions are followed again.')
    expect(out).toContain('20 letters are due again')
    expect([await followed(), await suppressed()]).toEqual([27, 0])
    expect(await figures()).toEqual({ state: 'sending', sent: 5, bounced: 0, letters: 5 })
    await engine.reconcileAndSend()
    expect(await figures()).toEqual({ state: 'done', sent: 25, bounced: 0, letters: 25 })
    expect(inbox.received.map(({ to }) => to).toSorted()).toEqual(readers.map(({ address }) => address).toSorted())
    expect((await run(`mailing restore-readers ${mailingId} --yes --json`)).json()).toEqual({
      subscriptions: 0,
      letters: 0,
      left: 0,
    })
  })

  test('stay as they are where they were barred, erased, or refused at another time as well', async () => {
    const { pool } = database
    const id = async (address: string) => (await subscriberOf(address)).rows[0]!.id
    await pool.query(
      `update suppressions set reason = 'operator' from subscribers b where b.id = $1 and suppressions.address_hash = b.address_hash`,
      [await id('lost2@readers.example')],
    )
    await pool.query(
      `update suppressions set at = at - interval '1 day' from subscribers b where b.id = $1 and suppressions.address_hash = b.address_hash`,
      [await id('lost3@readers.example')],
    )
    await pool.query(`update subscribers set address = null, address_key = null where id = $1`, [
      await id('lost4@readers.example'),
    ])
    await pool.query(`update subscriptions set ended_reason = 'unsubscribed' where subscriber_id = $1`, [
      await id('lost5@readers.example'),
    ])
    expect(await restoreRefused(pool, mailingId, () => {})).toEqual({ subscriptions: 18, letters: 16, left: 0 })
    await engine.reconcileAndSend()
    const letters = inbox.received.map(({ to }) => to)
    for (const n of [2, 3, 4, 5]) expect(letters).not.toContain(`lost${n}@readers.example`)
    expect(await figures()).toEqual({ state: 'done', sent: 21, bounced: 4, letters: 21 })
  })

  test('are brought back without the letter where the mailing sends nothing any more, and later where a worker has their chunk', async () => {
    await database.pool.query(`update mailings set state = 'sending', done_at = null where id = $1`, [mailingId])
    await cancelMailing(database.pool, mailingId)
    await database.pool.query(
      `update chunks set lease_until = now() + interval '8 seconds'
        where mailing_id = $1 and n = (select min(n) from chunks where mailing_id = $1 and bounced > 0)`,
      [mailingId],
    )
    const first = await restoreRefused(database.pool, mailingId, () => {})
    expect(first).toMatchObject({ letters: 0, left: expect.any(Number) })
    await database.pool.query('update chunks set lease_until = null')
    const second = await restoreRefused(database.pool, mailingId, () => {})
    expect([typeof first, typeof second]).toEqual(['object', 'object'])
    expect(await followed()).toBe(27)
    await engine.reconcileAndSend()
    expect(await figures()).toMatchObject({ state: 'cancelled', letters: 5 })
  })
})
