import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { listPacedDomains } from '../../shared/delivery/pace.sql.ts'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { parseAddress } from '../../shared/subscriber/address.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { forgetAddresses, rememberSubscriber } from '../../shared/subscriber/subscriber.sql.ts'
import type { SubscriberId } from '../../shared/subscriber/subscriber.ts'
import { addReaders } from '../../shared/subscription/add-readers.sql.ts'
import { requestSubscription } from '../../shared/subscription/subscription.sql.ts'
import { type Forgotten, openForgetting } from '../../workers/scheduler/forget.ts'
import { lapsePending } from '../../workers/scheduler/lapse-pending.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenPace } from '../given/pace.ts'
import { givenReaders } from '../given/readers.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { follow, givenFollower, postForm, type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  inbox = await openRecordingInbox()
  engine = openEngine(pool, inbox.url)
})
afterAll(async () => {
  await engine.close()
  await inbox.close()
  await house.app.close()
  await database.close()
})
beforeEach(async () => {
  newsroom = await givenNewsroom(pool)
})

const quiet = { info: () => {} }
const spans = { deliveries: 90, webhooks: 30, notices: 90, origins: 365, addresses: 30, unconfirmed: 7 }
const forget = (batch = 3): Promise<Forgotten> =>
  openForgetting({ pool, log: quiet, spans, now: () => new Date(), stopping: () => false, batch, statements: 100 })()
const lapse = () => lapsePending({ pool, log: quiet, now: () => new Date(), stopping: () => false, lapseAfterDays: 7 })
const days = (count: number) => `${count} days`
const count = async (statement: string, values: unknown[] = []) =>
  Number((await pool.query<{ count: string }>(statement, values)).rows[0]!.count)

test('a request nobody confirms lapses after a week, and its address is in no table any more', async () => {
  await follow(house, newsroom, 'never@example.org')
  await follow(house, newsroom, 'young@example.org')
  const never = await subscriptionOf(pool, newsroom, 'never@example.org')
  await pool.query(`update subscriptions set requested_at = now() - interval '7 days 1 minute' where id = $1`, [
    never.id,
  ])
  expect(await lapse()).toBe(1)
  expect(await everyRow(pool)).not.toContain('never@example.org')
  expect((await subscriptionOf(pool, newsroom, 'young@example.org')).state).toBe('pending')
  const { rows } = await pool.query('select state, ended_reason from subscriptions where id = $1', [never.id])
  expect(rows).toEqual([{ state: 'ended', ended_reason: 'lapsed' }])
  const { rows: acts } = await pool.query('select act, door from consent_log where subscription_id = $1 order by id', [
    never.id,
  ])
  expect(acts).toEqual([
    { act: 'requested', door: 'newsroom-page' },
    { act: 'lapsed', door: 'clock' },
  ])
  expect(await lapse()).toBe(0)
  // Nobody left who never came: a list with their consent may bring them.
  const tally = await addReaders(
    { pool, hashKey: house.deps.addressHashKey, now: () => new Date() },
    { newsroom, language: 'nb', source: 'A list of ours.' },
    ['never@example.org'],
  )
  expect(tally).toMatchObject({ added: 1, left: 0 })
})

test('whoever left and only began to come back has left, when that lapses', async () => {
  const { id } = await givenFollower(house, newsroom, 'halfway@example.org')
  const token = sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])
  await postForm(house, `/unsubscribe/${token}`, { 'List-Unsubscribe': 'One-Click' })
  await follow(house, newsroom, 'halfway@example.org')
  await pool.query(`update subscriptions set requested_at = now() - interval '8 days' where id = $1`, [id])
  await lapse()
  const { rows } = await pool.query('select state, ended_reason from subscriptions where id = $1', [id])
  expect(rows).toEqual([{ state: 'ended', ended_reason: 'unsubscribed' }])
})

test('after 90 days nobody knows who got a mailing; its totals stay, and the link in its letters still answers', async () => {
  const readers = await givenReaders(pool, newsroom, 20)
  inbox.refuse(readers[3]!.address, { code: 550, text: '5.1.1 no such user' })
  const old = await givenMailing(pool, newsroom)
  await engine.send(old.mailingId)
  const young = await givenMailing(pool, newsroom)
  await engine.send(young.mailingId)
  await pool.query(`update mailings set state = 'done', done_at = now() - $2::interval where id = $1`, [
    old.mailingId,
    days(91),
  ])
  await pool.query(`update mailings set state = 'done', done_at = now() - $2::interval where id = $1`, [
    young.mailingId,
    days(89),
  ])
  const totals = 'select sum(sent)::int || $2 || sum(bounced)::int as count from chunks where mailing_id = $1'
  const before = (await pool.query(totals, [old.mailingId, '+'])).rows[0].count
  expect(await forget()).toMatchObject({ mailings: 1, deliveries: 20 })
  expect(await count('select count(*) from deliveries where mailing_id = $1', [old.mailingId])).toBe(0)
  expect(await count('select count(*) from attempts where mailing_id = $1', [old.mailingId])).toBe(0)
  expect(await count('select count(*) from deliveries where mailing_id = $1', [young.mailingId])).toBe(19)
  expect((await pool.query(totals, [old.mailingId, '+'])).rows[0].count).toBe(before)
  expect(await forget()).toMatchObject({ mailings: 0, deliveries: 0 })
  const token = sealToken(house.deps.links, 'unsubscribe', [
    BigInt(readers[0]!.subscriptionId),
    BigInt(old.mailingId),
    0n,
  ])
  const left = await house.app.inject({
    ...{ method: 'POST', url: `/unsubscribe/${token}`, payload: 'List-Unsubscribe=One-Click' },
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  expect([left.statusCode, left.json()]).toEqual([200, { state: 'ended' }])
})

test('a mailing that is not done keeps its ledger, however old it is', async () => {
  await givenReaders(pool, newsroom, 2)
  const { mailingId } = await givenMailing(pool, newsroom)
  await engine.send(mailingId)
  await pool.query(
    `update mailings set state = 'sending', done_at = null, started_at = now() - interval '200 days', due_at = now() - interval '200 days' where id = $1`,
    [mailingId],
  )
  await forget()
  expect(await count('select count(*) from deliveries where mailing_id = $1', [mailingId])).toBe(2)
})

test('webhook ids, notices and origins go when their time is over, and no day sooner', async () => {
  await givenFollower(house, newsroom, 'kept@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'kept@example.org')
  for (const [name, age] of [
    ['old', 31],
    ['young', 29],
  ] as const)
    await pool.query(
      `insert into received_webhooks (newsroom_id, webhook_id, body_hash, status, answer, received_at)
       values ($1, $2, '', 202, '{}', now() - $3::interval)`,
      [newsroom.id, name, days(age)],
    )
  await pool.query(
    `update notices set state = 'sent', done_at = now() - interval '91 days' where subscription_id = $1`,
    [id],
  )
  for (const age of [366, 364])
    await pool.query(
      `insert into consent_log (subscription_id, newsroom_id, subscriber_id, act, at, door, origin_hash)
       select id, newsroom_id, subscriber_id, 'changed', now() - $2::interval, 'aged', '\\x01' from subscriptions where id = $1`,
      [id, days(age)],
    )
  await forget()
  const { rows } = await pool.query('select webhook_id from received_webhooks where newsroom_id = $1', [newsroom.id])
  expect(rows).toEqual([{ webhook_id: 'young' }])
  expect(await count('select count(*) from notices where subscription_id = $1', [id])).toBe(0)
  const { rows: aged } = await pool.query(
    `select origin_hash is not null as kept from consent_log where subscription_id = $1 and door = 'aged' order by at desc`,
    [id],
  )
  expect(aged).toEqual([{ kept: true }, { kept: false }])
})

test('the address of whoever has left everything goes after a month; those who follow something keep it', async () => {
  const elsewhere = await givenNewsroom(pool)
  for (const email of ['gone@example.org', 'recent@example.org', 'stays@example.org']) {
    const { id } = await givenFollower(house, newsroom, email)
    const ended = email.startsWith('recent') ? 29 : 31
    await pool.query(
      `update subscriptions set state = 'ended', ended_reason = 'unsubscribed', ended_at = now() - $2::interval where id = $1`,
      [id, days(ended)],
    )
  }
  await givenFollower(house, elsewhere, 'stays@example.org')
  await pool.query(`update subscribers set created_at = now() - interval '400 days'`)
  await forget()
  const rows = await everyRow(pool)
  expect(rows).not.toContain('gone@example.org')
  expect(rows).toContain('recent@example.org')
  expect(rows).toContain('stays@example.org')
  const tally = await addReaders(
    { pool, hashKey: house.deps.addressHashKey, now: () => new Date() },
    { newsroom, language: 'nb', source: 'A list of ours.' },
    ['gone@example.org'],
  )
  expect(tally).toMatchObject({ added: 0, left: 1 })
})

test('an address that never answered a change of address goes after a week, with the wish', async () => {
  const { id } = await givenFollower(house, newsroom, 'mover@example.org')
  const link = `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`
  const fields = { act: 'save', frequency: 'immediate', language: 'nb', pause: '' }
  await postForm(house, link, { ...fields, address: 'third.party@example.org' })
  await pool.query(`update subscribers set created_at = now() - interval '8 days'`)
  await forget()
  expect(await everyRow(pool)).toContain('third.party@example.org')
  await pool.query(`update address_changes set asked_at = now() - interval '8 days'`)
  await forget()
  await forget()
  expect(await everyRow(pool)).not.toContain('third.party@example.org')
  expect(await everyRow(pool)).toContain('mover@example.org')
})

test('a sign-up under way keeps the address that is being forgotten', async () => {
  const address = parseAddress('racing@example.org')!
  const hash = hashAddress(house.deps.addressHashKey, address.key)
  const id = await rememberSubscriber(pool, address, hash, new Date())
  const signingUp = await pool.connect()
  const forgetting = await pool.connect()
  await signingUp.query('begin')
  await rememberSubscriber(signingUp, address, hash, new Date())
  await forgetting.query('begin')
  const forgotten = forgetAddresses(forgetting, [id as SubscriberId])
  await untilSomebodyWaitsForALock()
  const wish = {
    newsroomId: newsroom.id,
    subscriberId: id,
    language: 'nb',
    frequency: 'immediate',
    topics: [],
  } as const
  await requestSubscription(signingUp, wish, new Date())
  await signingUp.query('commit')
  expect(await forgotten).toBe(0)
  await forgetting.query('commit')
  signingUp.release()
  forgetting.release()
  expect(await everyRow(pool)).toContain('racing@example.org')
})

async function untilSomebodyWaitsForALock(): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  const deadline = Date.now() + 10_000
  while ((await pool.query(waiting)).rowCount === 0)
    if (Date.now() > deadline) throw new Error('nobody waits for a lock')
}

test('the pace of a domain of which nothing was seen for a day is dropped; one that is held, or was seen since, stays', async () => {
  const ago = (hours: number) => Date.now() - hours * 3_600_000
  const pace = { rate: 1, holds: 1, reason: 'blocked', detail: '421 4.7.0 slow down' } as const
  await givenPace(pool, 'seldom.example', { ...pace, heldUntil: ago(25), changedAt: ago(25) })
  await givenPace(pool, 'slow.example', { ...pace, heldUntil: 0, changedAt: ago(25) })
  await givenPace(pool, 'held.example', { ...pace, heldUntil: ago(-1), changedAt: ago(25) })
  await givenPace(pool, 'often.example', { ...pace, heldUntil: ago(22), changedAt: ago(23) })
  await forget()
  expect(await listPacedDomains(pool)).toEqual(expect.arrayContaining(['held.example', 'often.example']))
  expect(await listPacedDomains(pool)).toHaveLength(2)
})
