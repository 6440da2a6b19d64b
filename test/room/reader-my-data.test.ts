import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { addReaders } from '../../shared/subscription/add-readers.sql.ts'
import { openForgetting } from '../../workers/scheduler/forget.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { doorIn, type NoticeSender, openNoticeSender } from '../rig/notice-sender.ts'
import { follow, givenFollower, postForm, type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let sender: NoticeSender
let engine: Engine
let newsroom: Newsroom
let other: Newsroom
const logged: string[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  const sink = new Writable({
    write: (line, _encoding, done) => {
      logged.push(String(line))
      done()
    },
  })
  const log = pino({ level: 'trace' }, sink)
  house = await readerHouse(pool, { signUpsPerHour: 100_000, log })
  sender = await openNoticeSender(pool)
  engine = openEngine(pool, sender.inbox.url, { log })
  newsroom = await givenNewsroom(pool)
  other = await givenNewsroom(pool, { name: 'Ytterøya havn' })
})
afterAll(async () => {
  await engine.close()
  await sender.close()
  await house.app.close()
  await database.close()
})

const get = (url: string) => house.app.inject({ url, headers: { accept: 'text/html' } })

/** A reader with a whole life behind them, whose address a mail host has repeated to us in every way it can. */
async function wholeLife(email: string, local = email.split('@')[0]!): Promise<void> {
  await givenFollower(house, newsroom, email)
  await follow(house, other, email)
  const { id } = await subscriptionOf(pool, newsroom, email)
  await sender.work()
  sender.inbox.refuse(email, { code: 451, text: `4.3.0 <${email}>: try later`, times: 1 })
  const { mailingId } = await givenMailing(pool, newsroom)
  await engine.send(mailingId)
  await pool.query(`update deliveries set reply = $2 where subscription_id = $1`, [id, `451 <${email}> try later`])
  const preferences = `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`
  const fields = { act: 'save', frequency: 'daily', language: 'en', pause: '' }
  await postForm(house, preferences, { ...fields, address: `${local}@elsewhere.example` })
  await sender.work()
  await pool.query('update notices set reply = $1 where subscription_id = $2 and subscriber_id is null', [
    `250 <${email}> queued`,
    id,
  ])
}

async function myDataDoor(email: string): Promise<string> {
  await postForm(house, `/newsrooms/${newsroom.slug}/my-data`, { email })
  const letter = (await sender.work()).find(({ to }) => to === email)
  return doorIn(letter!, 'my-data')
}

test('a reader sees all that is held about them, in words and as a file, behind a link that was mailed', async () => {
  await wholeLife('seer@example.org')
  const door = await myDataDoor('seer@example.org')
  const before = await everyRow(pool)
  const page = await get(door)
  expect(page.statusCode).toBe(200)
  for (const told of [
    'seer@example.org',
    'Havneby kommune',
    'Ytterøya havn',
    'Once a day, in one email',
    'A new quay opens',
  ])
    expect(page.body).toContain(told)
  expect(page.body).toContain('hreflang="nb"')
  const file = await get(`${door}/all.json`)
  expect(file.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'content-disposition': 'attachment; filename="pressebud.json"',
    'cache-control': 'no-store',
  })
  const all = file.json()
  expect(all.subscribers).toMatchObject([{ address: 'seer@example.org' }])
  expect(
    all.subscriptions.map((one: { newsroomName: string; state: string }) => [one.newsroomName, one.state]),
  ).toEqual([
    ['Havneby kommune', 'active'],
    ['Ytterøya havn', 'pending'],
  ])
  expect(all.consents.map((one: { act: string }) => one.act)).toEqual([
    'requested',
    'confirmed',
    'requested',
    'changed',
  ])
  expect(all.consents[0]).toMatchObject({ door: 'newsroom-page', wording: expect.stringContaining('Havneby kommune') })
  expect(all.consents[0].origin).toMatch(/^[0-9a-f]{64}$/)
  expect(all.notices.map((one: { kind: string }) => one.kind).toSorted()).toEqual(
    ['confirmation', 'confirmation', 'my-data-link'].toSorted(),
  )
  expect(all.deliveries).toMatchObject([
    { newsroom: newsroom.slug, title: 'A new quay opens', reply: expect.any(String) },
  ])
  expect(all.attempts).toHaveLength(1)
  expect(all.addressChanges).toMatchObject([{ state: 'asked', direction: 'from' }])
  expect(all.suppression).toBeNull()
  expect(await everyRow(pool)).toBe(before)
})

test('the link ends after a day, and no other one opens it', async () => {
  await givenFollower(house, newsroom, 'ends@example.org')
  const door = await myDataDoor('ends@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'ends@example.org')
  const letterToken = sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])
  expect((await get(`/my-data/${letterToken}`)).statusCode).toBe(404)
  expect((await get(door.replace('/my-data/', '/erase/'))).statusCode).toBe(404)
  house.clock.now = new Date(Date.now() + 25 * 3_600_000)
  expect((await get(door)).statusCode).toBe(410)
  expect((await get(`${door}/all.json`)).statusCode).toBe(410)
  house.clock.now = new Date()
})

test('asked for by four presses at once, the letter with the data is one', async () => {
  const { id } = await givenFollower(house, newsroom, 'impatient@example.org')
  const door = `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`
  let presses: Promise<unknown>[] = []
  // All of them are at it before the first is through.
  await inTransaction(pool, async (tx) => {
    await tx.query(`select from subscribers where address_key = 'impatient@example.org' for update`)
    presses = Array.from({ length: 4 }, () => postForm(house, door, { act: 'my-data' }))
    await until('several wait', async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount! > 2
    })
  })
  await Promise.all(presses)
  const letters = (await sender.work()).filter(({ to }) => to === 'impatient@example.org')
  expect(letters.filter((letter) => letter.email.text?.includes('/my-data/'))).toHaveLength(1)
})

test('erased from there, a reader is in no table, job or log any more; only a keyed hash is, and it bars an import', async () => {
  const email = 'Forgetful.One@Example.org'
  const key = 'forgetful.one@example.org'
  await givenFollower(house, newsroom, key)
  await pool.query('update subscribers set address = $1 where address_key = $2', ['Forgetful.One@example.org', key])
  await wholeLife(key, 'forgetful.one')
  await addReaders(
    { pool, hashKey: house.deps.addressHashKey, now: house.deps.now },
    { newsroom: other, language: 'nb', source: 'A list of ours.' },
    ['somebody.else@example.org'],
  )
  await postForm(house, `/newsrooms/${newsroom.slug}/my-data`, { email })
  const letter = (await sender.work()).find(({ to }) => to.toLowerCase() === key)
  const page = await get(doorIn(letter!, 'my-data'))
  const erase = /href="(\/erase\/[^"?]+)/.exec(page.body)![1]!

  const before = await everyRow(pool)
  const { rows: origins } = await pool.query<{ origin: string }>(
    `select distinct encode(origin_hash, 'hex') as origin from consent_log c join subscribers b on b.id = c.subscriber_id
      where b.address_key = $1 and origin_hash is not null`,
    [key],
  )
  expect(origins.length).toBeGreaterThan(0)
  expect((await get(erase)).body).toContain('Erase everything')
  expect((await postForm(house, erase, {})).statusCode).toBe(422)
  expect((await postForm(house, erase, { sure: 'no' })).statusCode).toBe(422)
  expect(await everyRow(pool)).toBe(before)

  house.optedOut.length = 0
  const done = await postForm(house, erase, { sure: 'yes' })
  expect([done.statusCode, done.body]).toEqual([200, expect.stringContaining('Everything has been erased')])
  expect(house.optedOut).toHaveLength(2)

  const after = await everyRow(pool)
  expect(after).toContain('somebody.else@example.org')
  for (const spelling of spellingsOf(email)) {
    expect(after.toLowerCase()).not.toContain(spelling.toLowerCase())
    expect(logged.join('').toLowerCase()).not.toContain(spelling.toLowerCase())
    expect(JSON.stringify(engine.woken).toLowerCase()).not.toContain(spelling.toLowerCase())
  }
  const { rows } = await pool.query(
    `select count(*)::int as origins from consent_log c join subscribers b on b.id = c.subscriber_id
      where b.address_hash = $1 and c.origin_hash is not null`,
    [hashAddress(house.deps.addressHashKey, key)],
  )
  expect(rows).toEqual([{ origins: 0 }])
  const { rows: left } = await pool.query('select reason, detail from suppressions where address_hash = $1', [
    hashAddress(house.deps.addressHashKey, key),
  ])
  expect(left).toEqual([{ reason: 'erased', detail: null }])

  const tally = await addReaders(
    { pool, hashKey: house.deps.addressHashKey, now: house.deps.now },
    { newsroom: other, language: 'nb', source: 'A list of ours.' },
    [email],
  )
  expect(tally).toMatchObject({ added: 0 })
  expect((await everyRow(pool)).toLowerCase()).not.toContain(key)
  // The links of before are dead or say that it is over; the one to leave is friendly for ever.
  expect((await get(erase)).statusCode).toBe(410)
  expect((await get(doorIn(letter!, 'my-data'))).statusCode).toBe(410)
})

/** An address as text, base64, quoted, in a URL, reversed by no one: every form a row or a line could hold it in. */
const spellingsOf = (email: string) => {
  const [local, domain] = email.split('@') as [string, string]
  return [
    email,
    local,
    `${local}%40${domain}`,
    Buffer.from(email).toString('hex'),
    Buffer.from(email.toLowerCase()).toString('base64'),
  ]
}

test('whoever was erased can come back by themselves, and then is written to again', async () => {
  const email = 'back@example.org'
  await givenFollower(house, newsroom, email)
  const page = await get(await myDataDoor(email))
  await postForm(house, /href="(\/erase\/[^"?]+)/.exec(page.body)![1]!, { sure: 'yes' })
  house.clock.now = new Date(Date.now() + 25 * 3_600_000)
  await follow(house, newsroom, email)
  const letter = (await sender.work(house.clock.now)).find(({ to }) => to === email)
  expect((await postForm(house, doorIn(letter!, 'confirm'), {})).statusCode).toBe(200)
  house.clock.now = new Date()
  expect((await subscriptionOf(pool, newsroom, email)).state).toBe('active')
  const { rowCount } = await pool.query('select from suppressions where address_hash = $1', [
    hashAddress(house.deps.addressHashKey, email),
  ])
  expect(rowCount).toBe(0)
})

test('an answer that names the address and is recorded after the erasure is cleared away', async () => {
  const email = 'late.reply@example.org'
  await givenFollower(house, newsroom, email)
  const { id } = await subscriptionOf(pool, newsroom, email)
  const { mailingId } = await givenMailing(pool, newsroom)
  await engine.send(mailingId)
  const page = await get(await myDataDoor(email))
  await postForm(house, /href="(\/erase\/[^"?]+)/.exec(page.body)![1]!, { sure: 'yes' })
  await pool.query('update deliveries set reply = $2 where subscription_id = $1', [id, `550 <${email}> gone`])
  const spans = { deliveries: 90, webhooks: 30, notices: 90, origins: 365, addresses: 30, unconfirmed: 7 }
  const quiet = { info: () => {} }
  await openForgetting({
    pool,
    log: quiet,
    spans,
    now: () => new Date(),
    stopping: () => false,
    batch: 100,
    statements: 10,
  })()
  expect(await everyRow(pool)).not.toContain(email)
})

test('erased twice at once, both answers wait for letters to all that was followed, whichever of them ended it', async () => {
  const email = 'hasty@example.org'
  await givenFollower(house, newsroom, email)
  await givenFollower(house, other, email)
  const page = await get(await myDataDoor(email))
  const erase = /href="(\/erase\/[^"?]+)/.exec(page.body)![1]!
  house.optedOut.length = 0
  const { id } = await subscriptionOf(pool, newsroom, email)
  const holder = await pool.connect()
  await holder.query('begin')
  await holder.query(
    'select from subscribers where id = (select subscriber_id from subscriptions where id = $1) for update',
    [id],
  )
  const answers = [1, 2].map(() => postForm(house, erase, { sure: 'yes' }))
  await until('both wait for the reader’s row', async () => {
    const { rowCount } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === 2
  })
  await holder.query('rollback')
  holder.release()
  expect((await Promise.all(answers)).map(({ statusCode }) => statusCode)).toEqual([200, 200])
  const [first, second] = [house.optedOut.slice(0, 2), house.optedOut.slice(2)]
  expect(new Set(first).size).toBe(2)
  expect(second.toSorted()).toEqual(first.toSorted())
})
