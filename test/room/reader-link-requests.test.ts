import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { doorIn, type NoticeSender, openNoticeSender } from '../rig/notice-sender.ts'
import { follow, givenFollower, postForm, type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let sender: NoticeSender
let newsroom: Newsroom
let other: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  sender = await openNoticeSender(pool)
  newsroom = await givenNewsroom(pool)
  other = await givenNewsroom(pool, { name: 'Ytterøya havn' })
})
afterAll(async () => {
  await sender.close()
  await house.app.close()
  await database.close()
})

const ask = (door: string, email: string, from: Newsroom = newsroom) =>
  postForm(house, `/newsrooms/${from.slug}/${door}`, { email })
const suppress = (email: string, reason: string) =>
  pool.query('insert into suppressions (address_hash, reason, at) values ($1, $2, now())', [
    hashAddress(house.deps.addressHashKey, email),
    reason,
  ])

test.each(['preferences', 'leave', 'my-data'])(
  'asked for %s by address, the answer is the same to the byte for everybody, and so are the rows it writes',
  async (door) => {
    const who = (name: string) => `${name}-${door}@example.org`
    await givenFollower(house, newsroom, who('follows'))
    await follow(house, newsroom, who('waits'))
    const left = await givenFollower(house, newsroom, who('left'))
    await pool.query(`update subscriptions set state = 'ended', ended_at = now() where id = $1`, [left.id])
    await givenFollower(house, newsroom, who('barred'))
    await suppress(who('barred'), 'complained')
    const counts = async () =>
      (
        await pool.query(
          `select (select count(*)::int from link_requests) as asked, (select count(*)::int from notices) as notices,
                  (select count(*)::int from subscribers) as readers`,
        )
      ).rows[0]
    const answers: string[] = []
    const before = await counts()
    for (const name of ['unknown', 'follows', 'waits', 'left', 'barred']) {
      const answer = await ask(door, who(name))
      const { date: _date, ...headers } = answer.headers
      answers.push(JSON.stringify([answer.statusCode, headers, answer.body]))
      const program = await house.app.inject({
        ...{ method: 'POST', url: `/newsrooms/${newsroom.slug}/${door}` },
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: new URLSearchParams({ email: who(name) }).toString(),
      })
      expect([program.statusCode, program.json()]).toEqual([202, { state: 'asked' }])
    }
    expect(new Set(answers).size).toBe(1)
    // One row each, whoever it is; nobody is looked for at the door, and nobody is remembered by it.
    expect(await counts()).toEqual({ ...before, asked: before.asked + 5 })
    expect(await everyRow(pool)).not.toContain('unknown-')
    await sender.work()
    expect((await counts()).asked).toBe(0)
  },
)

test('a lost link is mailed again, to whoever follows and to nobody else', async () => {
  await givenFollower(house, newsroom, 'kari@example.org')
  await sender.work()
  await ask('preferences', '  Kari@EXAMPLE.org ')
  await ask('preferences', 'nobody@example.org')
  const [letter, ...more] = await sender.work()
  expect(more).toEqual([])
  expect(letter!.to).toBe('kari@example.org')
  expect(letter!.email.subject).toBe('Lenken til valgene dine hos Havneby kommune')
  const names = letter!.email.headers.map(({ key }) => key)
  expect(names).not.toContain('list-unsubscribe-post')
  expect(names).not.toContain('list-unsubscribe')
  const page = await house.app.inject({ url: doorIn(letter!, 'preferences'), headers: { accept: 'text/html' } })
  expect(page.statusCode).toBe(200)
  expect(page.body).toContain('Det du får fra Havneby kommune')
})

test('whoever has no letter left leaves by address: one comes, its page asks, and its button ends it', async () => {
  const { id } = await givenFollower(house, newsroom, 'leaver@example.org')
  await sender.work()
  await ask('leave', 'leaver@example.org')
  const [letter] = await sender.work()
  const state = async () => (await pool.query('select state from subscriptions where id = $1', [id])).rows[0].state
  expect(await state()).toBe('active')
  const door = doorIn(letter!, 'unsubscribe')
  await house.app.inject({ url: door, headers: { accept: 'text/html' } })
  expect(await state()).toBe('active')
  await postForm(house, door, { 'List-Unsubscribe': 'One-Click' })
  expect(await state()).toBe('ended')
})

test('it is no way to bomb a mailbox: one of a kind for each newsroom in 24 hours, and three in all', async () => {
  await givenFollower(house, newsroom, 'bombed@example.org')
  await givenFollower(house, other, 'bombed@example.org')
  await sender.work()
  const arrived: string[] = []
  for (let hour = 0; hour < 24; hour++) {
    house.clock.now = new Date(Date.now() + hour * 3_600_000)
    for (const door of ['preferences', 'leave', 'my-data'])
      for (const from of [newsroom, other]) await ask(door, 'bombed@example.org', from)
    for (const { email } of await sender.work(house.clock.now)) arrived.push(email.subject ?? '')
  }
  expect(arrived).toHaveLength(3)
  house.clock.now = new Date(Date.now() + 25 * 3_600_000)
  await ask('preferences', 'bombed@example.org')
  expect(await sender.work(house.clock.now)).toHaveLength(1)
  house.clock.now = new Date()
})

test('an address that complained gets no link, and what is only waited for has none', async () => {
  await givenFollower(house, newsroom, 'angry@example.org')
  await follow(house, newsroom, 'asking@example.org')
  await sender.work()
  await suppress('angry@example.org', 'complained')
  await ask('preferences', 'angry@example.org')
  await ask('preferences', 'asking@example.org')
  expect(await sender.work()).toEqual([])
  expect((await subscriptionOf(pool, newsroom, 'asking@example.org')).state).toBe('pending')
})

test('a network that asks too often is told how long to wait, and its address is not taken down', async () => {
  const busy = await readerHouse(pool, { signUpsPerHour: 3 })
  const from = (ip: string) =>
    postForm(busy, `/newsrooms/${newsroom.slug}/preferences`, { email: 'x@example.org' }, { 'x-forwarded-for': ip })
  for (let time = 0; time < 3; time++) expect((await from('203.0.113.9')).statusCode).toBe(200)
  const answer = await from('203.0.113.9')
  expect(answer.statusCode).toBe(429)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  expect(answer.body).toMatch(/Prøv igjen om (?:ett minutt|\d+ minutter)\./)
  expect((await from('198.51.100.7')).statusCode).toBe(200)
  await busy.app.close()
})

test.each(['preferences', 'leave', 'my-data'])(
  'at %s an address that is none is told beside its field',
  async (door) => {
    const before = await everyRow(pool)
    const answer = await ask(door, 'nobody at home')
    expect(answer.statusCode).toBe(422)
    expect(answer.body).toContain('aria-describedby="email-fault"')
    expect(answer.body).toContain('value="nobody at home"')
    expect(await everyRow(pool)).toBe(before)
  },
)
