import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { parseAddress } from '../../shared/subscriber/address.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { rememberSubscriber } from '../../shared/subscriber/subscriber.sql.ts'
import { addReaders } from '../../shared/subscription/add-readers.sql.ts'
import { requestSubscription } from '../../shared/subscription/subscription.sql.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  postForm,
  type ReaderHouse,
  readerHouse,
  subscriptionOf,
} from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let newsroom: Newsroom
let other: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  newsroom = await givenNewsroom(pool)
  other = await givenNewsroom(pool, { name: 'Ytterøya havn' })
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const notices = async (id: string) =>
  (await pool.query('select from notices where subscription_id = $1', [id])).rowCount
const importReader = (address: string, into: Newsroom) =>
  addReaders(
    { pool, hashKey: house.deps.addressHashKey, now: house.deps.now },
    { newsroom: into, language: 'nb', source: 'A list of ours.' },
    [address],
  )

/** Somebody types an address that is not theirs; returns the token its owner is sent. */
async function requested(address: string): Promise<string> {
  await follow(house, newsroom, address)
  return confirmToken(house, newsroom, address)
}

test('whoever did not ask can say so, and their address is in no table any more', async () => {
  const token = await requested('notme@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'notme@example.org')
  await pool.query(`update notices set reply = '450 <notme@example.org> greylisted' where subscription_id = $1`, [id])
  const before = await everyRow(pool)
  expect(before).toContain('notme@example.org')
  const page = await house.app.inject({ url: `/not-me/${token}`, headers: { accept: 'text/html' } })
  expect(page.body).toContain('Trekk forespørselen tilbake')
  expect(await everyRow(pool)).toBe(before)

  for (let time = 0; time < 2; time++) expect((await postForm(house, `/not-me/${token}`, {})).statusCode).toBe(200)
  expect(await everyRow(pool)).not.toContain('notme')
  expect((await postForm(house, `/confirm/${token}`, {})).statusCode).toBe(410)
  const { rows } = await pool.query(
    `select s.state, s.ended_reason, r.address_hash, array(select act from consent_log where subscription_id = s.id order by id) as acts
       from subscriptions s join subscribers r on r.id = s.subscriber_id where s.id = $1`,
    [id],
  )
  expect(rows).toEqual([
    {
      state: 'ended',
      ended_reason: 'disowned',
      address_hash: hashAddress(house.deps.addressHashKey, 'notme@example.org'),
      acts: ['requested', 'disowned'],
    },
  ])
})

test('an address that was deleted can follow anew, and nobody can have it written to twice a day', async () => {
  const token = await requested('anew@example.org')
  await postForm(house, `/not-me/${token}`, {})
  await follow(house, newsroom, 'anew@example.org')
  const second = await subscriptionOf(pool, newsroom, 'anew@example.org')
  expect([second.state, await notices(second.id)]).toEqual(['pending', 0])
  expect((await postForm(house, `/confirm/${token}`, {})).statusCode).toBe(410)

  house.clock.now = new Date(Date.now() + 25 * 3_600_000)
  await follow(house, newsroom, 'anew@example.org')
  expect(await notices(second.id)).toBe(1)
  const answer = await postForm(house, `/confirm/${await confirmToken(house, newsroom, 'anew@example.org')}`, {})
  house.clock.now = new Date()
  expect(answer.statusCode).toBe(200)
  expect((await subscriptionOf(pool, newsroom, 'anew@example.org')).state).toBe('active')
})

test('an import does not bring back who said no, though only the hash is left to know them by', async () => {
  await postForm(house, `/not-me/${await requested('never@example.org')}`, {})
  expect(await importReader('never@example.org', newsroom)).toMatchObject({ read: 1, added: 0, left: 1 })
  expect(await everyRow(pool)).not.toContain('never@example.org')
  expect(await importReader('never@example.org', other)).toMatchObject({ read: 1, added: 1, left: 0 })
})

test('a reader who follows another newsroom keeps the address that one needs', async () => {
  await givenFollower(house, other, 'both@example.org')
  await postForm(house, `/not-me/${await requested('both@example.org')}`, {})
  expect((await subscriptionOf(pool, other, 'both@example.org')).state).toBe('active')
  expect((await subscriptionOf(pool, newsroom, 'both@example.org')).ended_reason).toBe('disowned')
})

test('a request the reader has confirmed stays, whoever finds the old link', async () => {
  const token = await requested('itwasme@example.org')
  await postForm(house, `/confirm/${token}`, {})
  await postForm(house, `/not-me/${token}`, {})
  expect((await subscriptionOf(pool, newsroom, 'itwasme@example.org')).state).toBe('active')
})

test('a sign-up elsewhere, not yet committed when the owner says no here, keeps the address it needs', async () => {
  const token = await requested('race@example.org')
  const elsewhere = await pool.connect()
  await elsewhere.query('begin')
  const hash = hashAddress(house.deps.addressHashKey, 'race@example.org')
  const subscriberId = await rememberSubscriber(elsewhere, parseAddress('race@example.org')!, hash, new Date())
  const answer = postForm(house, `/not-me/${token}`, {})
  await untilSomebodyWaitsForALock()
  const wish = { newsroomId: other.id, subscriberId, language: 'nb', frequency: 'immediate', topics: [] } as const
  await requestSubscription(elsewhere, wish, new Date())
  await elsewhere.query('commit')
  elsewhere.release()
  expect((await answer).statusCode).toBe(200)
  expect((await subscriptionOf(pool, newsroom, 'race@example.org')).ended_reason).toBe('disowned')
  expect((await subscriptionOf(pool, other, 'race@example.org')).state).toBe('pending')
})

async function untilSomebodyWaitsForALock(): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  const deadline = Date.now() + 10_000
  while ((await pool.query(waiting)).rowCount === 0)
    if (Date.now() > deadline) throw new Error('nobody waits for a lock')
}
