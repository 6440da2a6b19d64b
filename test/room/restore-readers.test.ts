import { beforeEach, describe, expect, test } from 'vitest'
import { restoreRefused } from '../../shared/delivery/restore-refused.sql.ts'
import { sealToken } from '../../shared/links/token.ts'
import { cancelMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { findMailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { here, openDesk } from '../rig/ops-desk.ts'
import { postForm, readerHouse } from '../rig/reader-house.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'
import { type } from './cli-rig.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let other: Newsroom
let readers: Reader[]
let mailingId: MailingId

/** A mail host whose directory was empty for an hour: of 25 readers it knew five. The first two follow another newsroom, too. */
beforeEach(async () => {
  // One for each: what a reader did at a door is in the log of consent, which nothing empties.
  database = await openTestDatabase()
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
    await database.close()
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
    expect(await restoreRefused(pool, mailingId, () => {})).toEqual({ subscriptions: 19, letters: 17, left: 0 })
    await engine.reconcileAndSend()
    const letters = inbox.received.map(({ to }) => to)
    for (const n of [2, 3, 4]) expect(letters).not.toContain(`lost${n}@readers.example`)
    expect(await figures()).toEqual({ state: 'done', sent: 22, bounced: 3, letters: 22 })
  })

  test('stay away where they have left since, by whichever door, also while they are being brought back', async () => {
    const { pool } = database
    const house = await readerHouse(pool)
    const linkOf = (n: number) => {
      const { subscriptionId } = readers.find(({ address }) => address === `lost${n}@readers.example`)!
      return sealToken(house.deps.links, 'unsubscribe', [BigInt(subscriptionId), BigInt(mailingId), 0n])
    }
    const oneClick = { 'List-Unsubscribe': 'One-Click' }
    const page = await house.app.inject({ url: `/unsubscribe/${linkOf(6)}`, headers: { accept: 'text/html' } })
    expect(page.body).toContain('value="One-Click"')
    for (const answer of [
      await postForm(house, `/unsubscribe/${linkOf(6)}`, oneClick),
      await postForm(house, `/preferences/${linkOf(7)}`, { act: 'leave' }),
      // Follows another newsroom, too.
      await postForm(house, `/preferences/${linkOf(0)}`, { act: 'leave-all' }),
    ])
      expect(answer.statusCode).toBe(200)

    const holder = await pool.connect()
    await holder.query('begin')
    await holder.query(`select from subscriptions where ended_reason = 'bounced' for update`)
    const leaving = postForm(house, `/unsubscribe/${linkOf(8)}`, oneClick)
    const waiting = (how: number) =>
      until(`${how} wait`, async () => {
        const { rowCount } = await pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return rowCount === how
      })
    await waiting(1)
    const restoring = restoreRefused(pool, mailingId, () => {})
    await waiting(2)
    await holder.query('commit')
    holder.release()
    expect((await leaving).statusCode).toBe(200)
    await restoring
    await engine.reconcileAndSend()
    const letters = inbox.received.map(({ to }) => to)
    for (const n of [0, 6, 7, 8]) expect(letters).not.toContain(`lost${n}@readers.example`)
    const { rows } = await pool.query(
      `select b.address, s.state from subscriptions s join subscribers b on b.id = s.subscriber_id where s.state <> 'active' order by 1, s.id`,
    )
    expect(rows.map(({ address }) => address)).toEqual([0, 0, 6, 7, 8].map((n) => `lost${n}@readers.example`))
    await house.app.close()
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
