import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { confirmToken, follow, givenFollower, postForm, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let newsroom: Newsroom
let other: Newsroom

const topics = [
  { id: 'harbour', names: { nb: 'Havn', en: 'Harbour' } },
  { id: 'schools', names: { nb: 'Skole', en: 'Schools' } },
]

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  newsroom = await givenNewsroom(pool, { topics })
  other = await givenNewsroom(pool, { name: 'Ytterøya havn' })
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const get = (url: string, headers = {}) => house.app.inject({ url, headers: { accept: 'text/html', ...headers } })
const linkOf = (id: string) => `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 9n, 0n])}`
const wishesOf = async (id: string) =>
  (
    await pool.query(
      'select state, ended_reason, frequency, topics, language, paused_until from subscriptions where id = $1',
      [id],
    )
  ).rows[0]
const lastConsent = async (id: string) =>
  (await pool.query('select * from consent_log where subscription_id = $1 order by id desc limit 1', [id])).rows[0]
const everything = { act: 'save', frequency: 'immediate', language: 'nb', pause: '', address: '' }

let count = 0
/** A reader of the newsroom; the address of their page of preferences. */
async function reader(): Promise<{ email: string; id: string; link: string }> {
  count += 1
  const email = `reader${count}@example.org`
  const { id } = await givenFollower(house, newsroom, email)
  return { email, id, link: linkOf(id) }
}

test('the page of preferences shows what a reader gets, and opening it changes nothing', async () => {
  const { link } = await reader()
  const before = await everyRow(pool)
  for (let time = 0; time < 20; time++)
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await house.app.inject({ method, url: link, headers: { accept: 'text/html' } })
      expect(answer.statusCode).toBe(200)
      expect(answer.headers).toMatchObject({
        ...{ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex, nofollow' },
      })
      expect(answer.headers['set-cookie']).toBeUndefined()
    }
  expect(await everyRow(pool)).toBe(before)
  const page = (await get(link)).body
  expect(page).toContain('Havneby kommune')
  expect(page).toMatch(/value="immediate"[^>]* checked/)
  expect(page).toContain('Skole')
  // A forwarded letter takes the link along, and must not take the address.
  expect(page).not.toContain('reader1@example.org')
  expect(page).toContain('re…\u2060@example.org')
})

test('a reader changes frequency, topics, language and pause at once; the log of consent has from what to what', async () => {
  const { id, link } = await reader()
  const nextMonth = new Date(house.clock.now.getTime() + 30 * 86_400_000).toISOString().slice(0, 10)
  const saved = await postForm(house, `${link}?language=en`, {
    ...{ act: 'save', frequency: 'weekly', topics: 'schools', language: 'en', pause: nextMonth, address: '' },
  })
  expect(saved.statusCode).toBe(200)
  expect(saved.body).toContain('Your choices have been saved.')
  expect(saved.body).toMatch(/<title>Saved: /)
  expect(saved.body).toMatch(/value="weekly"[^>]* checked/)
  expect(saved.body).toMatch(/value="schools"[^>]* checked/)
  expect(saved.body).toContain(`value="${nextMonth}"`)
  const held = await wishesOf(id)
  expect(held).toMatchObject({ state: 'active', frequency: 'weekly', topics: ['schools'], language: 'en' })
  // The beginning of that day where the newsroom is.
  expect(
    new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Oslo', dateStyle: 'short', timeStyle: 'short' }).format(
      held.paused_until,
    ),
  ).toBe(`${nextMonth} 00:00`)
  const entry = await lastConsent(id)
  expect(entry).toMatchObject({
    ...{ act: 'changed', door: 'preferences-page', language: 'en', mailing_id: '9' },
    form_url: 'https://press.example/preferences',
    detail: {
      frequency: ['immediate', 'weekly'],
      topics: [[], ['schools']],
      language: ['nb', 'en'],
      pausedUntil: [null, held.paused_until.toISOString()],
    },
  })
  expect(entry.wording).toMatch(/^\d{4}-\d{2}: How often · /)
  expect(entry.origin_hash).toHaveLength(32)

  // Saved once more it is the same, and nothing new is agreed to.
  await postForm(house, link, {
    ...{ act: 'save', frequency: 'weekly', topics: 'schools', language: 'en', pause: nextMonth, address: '' },
  })
  expect((await lastConsent(id)).id).toBe(entry.id)
  await postForm(house, link, everything)
  expect(await wishesOf(id)).toMatchObject({ frequency: 'immediate', topics: [], paused_until: null })
})

test('a pause that is over is shown as none, and stays known when other wishes are saved', async () => {
  const { id, link } = await reader()
  // After today in Oslo, whatever the hour.
  const soon = new Date(house.clock.now.getTime() + 2 * 86_400_000).toISOString().slice(0, 10)
  const pausing = { ...everything, frequency: 'weekly', pause: soon }
  await postForm(house, link, pausing)
  const { paused_until: until } = await wishesOf(id)
  const before = house.clock.now
  house.clock.now = new Date(until.getTime() + 3_600_000)
  try {
    expect((await get(link)).body).not.toContain(`value="${soon}"`)
    await postForm(house, link, { ...everything, frequency: 'daily' })
  } finally {
    house.clock.now = before
  }
  expect(await wishesOf(id)).toMatchObject({ frequency: 'daily', paused_until: until })
  expect((await lastConsent(id)).detail).toEqual({ frequency: ['weekly', 'daily'] })
})

test('topics are kept each once and in the newsroom’s order', async () => {
  const { id, link } = await reader()
  await house.app.inject({
    ...{ method: 'POST', url: link },
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
    payload: 'act=save&frequency=daily&language=nb&topics=schools&topics=harbour&topics=schools',
  })
  expect(await wishesOf(id)).toMatchObject({ frequency: 'daily', topics: ['harbour', 'schools'] })
})

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)

test.each([
  ['frequency', { frequency: 'hourly' }, 'frequency-fault'],
  ['topics', { topics: 'nothing-of-ours' }, 'topics-fault'],
  ['language', { language: 'sv' }, 'language-fault'],
  ['pause', { pause: '31.12.2030' }, 'pause-fault'],
  ['pause', { pause: inDays(-3) }, 'pause-fault'],
  ['pause', { pause: inDays(500) }, 'pause-fault'],
  ['pause', { pause: '2030-02-31' }, 'pause-fault'],
  ['address', { address: 'not an address' }, 'address-fault'],
])('a fault in %s is told beside the field, and nothing at all is saved', async (field, wrong, tied) => {
  const { link } = await reader()
  const before = await everyRow(pool)
  const fields = { ...everything, frequency: 'daily', ...wrong }
  const answer = await postForm(house, link, fields)
  expect(answer.statusCode).toBe(422)
  expect(answer.body).toContain('role="alert"')
  expect(answer.body).toContain(`<a href="#${field}">`)
  expect(answer.body).toContain(`aria-describedby="${tied}`)
  expect(answer.body).toMatch(/<title>Feil: /)
  expect(answer.body.match(/autofocus/g)).toHaveLength(1)
  const program = await house.app.inject({
    ...{ method: 'POST', url: link, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    payload: new URLSearchParams(fields).toString(),
  })
  expect([program.statusCode, program.headers['content-type']]).toEqual([
    422,
    'application/problem+json; charset=utf-8',
  ])
  expect(program.json().errors).toMatchObject([{ pointer: `/${field}` }])
  expect(await everyRow(pool)).toBe(before)
})

test.each([
  ['nothing', {}],
  ['an act it does not know', { act: 'erase' }],
])('posted %s, it changes nothing', async (_what, fields) => {
  const { link } = await reader()
  const before = await everyRow(pool)
  expect((await postForm(house, link, fields)).statusCode).toBe(422)
  expect(await everyRow(pool)).toBe(before)
})

describe('leaving from the page', () => {
  test('one newsroom: before the answer, and the others go on', async () => {
    const { email, id, link } = await reader()
    const elsewhere = await givenFollower(house, other, email)
    house.optedOut.length = 0
    const answer = await postForm(house, link, { act: 'leave' })
    expect(answer.body).toContain('Du er meldt av')
    expect(await wishesOf(id)).toMatchObject({ state: 'ended', ended_reason: 'unsubscribed' })
    expect(await wishesOf(elsewhere.id)).toMatchObject({ state: 'active' })
    expect(house.optedOut).toEqual([id])
    expect(await lastConsent(id)).toMatchObject({ act: 'ended', door: 'preferences-page', mailing_id: '9' })
    expect((await postForm(house, link, { act: 'leave' })).statusCode).toBe(200)
    expect((await get(link)).body).toContain('Du følger ikke lenger')
    expect((await postForm(house, link, everything)).statusCode).toBe(410)
    expect(await wishesOf(id)).toMatchObject({ state: 'ended' })
  })

  test('all newsrooms: each is written down, and the page told of none of them', async () => {
    const { email, id, link } = await reader()
    const elsewhere = await givenFollower(house, other, email)
    expect((await get(link)).body).not.toContain('Ytterøya')
    house.optedOut.length = 0
    const answer = await postForm(house, link, { act: 'leave-all' })
    expect(answer.body).toContain('Du er meldt av alle')
    for (const one of [id, elsewhere.id]) {
      expect(await wishesOf(one)).toMatchObject({ state: 'ended', ended_reason: 'unsubscribed' })
      expect(await lastConsent(one)).toMatchObject({ act: 'ended', door: 'preferences-page' })
    }
    expect(house.optedOut.toSorted()).toEqual([id, elsewhere.id].toSorted())
    // Whoever presses twice may have the second answer first: it waits for the same letters.
    house.optedOut.length = 0
    expect((await postForm(house, link, { act: 'leave-all' })).statusCode).toBe(200)
    expect(house.optedOut.toSorted()).toEqual([id, elsewhere.id].toSorted())
  })
})

test('all newsrooms are left also by whom a change of address is moving at that moment', async () => {
  const { email, id, link } = await reader()
  const elsewhere = await givenFollower(house, other, email)
  const both = [id, elsewhere.id]
  const holder = await pool.connect()
  await holder.query('begin')
  await holder.query('select from subscriptions where id = any($1) for update', [both])
  const { rows } = await holder.query(
    `insert into subscribers (address, address_key, address_hash, created_at)
     values ('moved@example.org', 'moved@example.org', sha256('moved'), now()) returning id`,
  )
  await holder.query('update subscriptions set subscriber_id = $2 where id = any($1)', [both, rows[0].id])
  const left = postForm(house, link, { act: 'leave-all' })
  await until('it waits for the row', async () => {
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    return (await pool.query(waits)).rowCount === 1
  })
  await holder.query('commit')
  holder.release()
  expect((await left).statusCode).toBe(200)
  for (const one of both) expect(await wishesOf(one)).toMatchObject({ state: 'ended', ended_reason: 'unsubscribed' })
})

test('only the link of a letter opens it: a confirmation’s, one changed in a bit, or another reader’s number does not', async () => {
  const { email, id } = await reader()
  const token = sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 9n, 0n])
  const forged = [
    await confirmToken(house, newsroom, email),
    `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
    'x',
  ]
  for (const one of forged) expect((await postForm(house, `/preferences/${one}`, everything)).statusCode).toBe(404)
  for (const door of ['confirm', 'not-me', 'new-address', 'old-address', 'erase'])
    expect((await postForm(house, `/${door}/${token}`, { sure: 'yes' })).statusCode).toBe(404)
  expect((await get(`/my-data/${token}`)).statusCode).toBe(404)
  const nobody = sealToken(house.deps.links, 'unsubscribe', [999_999_999n, 9n, 0n])
  expect((await get(`/preferences/${nobody}`)).statusCode).toBe(404)
})

test('a request that is not confirmed has nothing to change yet', async () => {
  await follow(house, newsroom, 'waiting@example.org')
  const { rows } = await pool.query(
    `select s.id from subscriptions s join subscribers b on b.id = s.subscriber_id where b.address = 'waiting@example.org'`,
  )
  expect((await postForm(house, linkOf(rows[0].id), { ...everything, frequency: 'daily' })).statusCode).toBe(410)
  expect(await wishesOf(rows[0].id)).toMatchObject({ state: 'pending', frequency: 'immediate' })
})
