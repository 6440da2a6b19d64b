import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openKeptAnswers } from '../../services/api/reader/kept-answers.ts'
import { updateNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenRelease, postForm, type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'
import { watchStatements } from '../rig/watch-statements.ts'

let database: TestDatabase
let newsroom: Newsroom
/** Two processes of one installation. */
let houses: readonly [ReaderHouse, ReaderHouse]
const asked: string[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  const pool = watchStatements(database.pool, asked)
  houses = [await readerHouse(pool), await readerHouse(pool)]
})
afterAll(async () => {
  for (const { app } of houses) await app.close()
  await database.close()
})
beforeEach(async () => {
  for (const { clock } of houses) clock.now = new Date()
  newsroom = await givenNewsroom(database.pool)
})

const get = (house: ReaderHouse, path: string, headers = {}) =>
  house.app.inject({ url: `/newsrooms/${newsroom.slug}${path}`, headers: { accept: 'text/html', ...headers } })
/** Read in both processes, twice each, so that each has it kept. */
async function everybodyReads(path: string) {
  const answers = []
  for (const house of houses) answers.push(await get(house, path), await get(house, path))
  expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(1)
  return answers[0]!
}

describe('a page that many read', () => {
  test('is written once, asks the database one thing each time, and packs and names itself as at first', async () => {
    const id = await givenRelease(database.pool, newsroom)
    for (const path of ['', '?q=ferje', `/releases/${id}`, '/feed.atom', '/feed.json?language=nb']) {
      const first = await get(houses[0], path, { 'accept-encoding': 'br' })
      asked.length = 0
      const again = await get(houses[0], path, { 'accept-encoding': 'br' })
      expect([path, asked.length]).toEqual([path, 1])
      const told = ({ headers }: typeof first) =>
        Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(date|content-length)$/.test(name)))
      expect(told(again)).toEqual(told(first))
      const known = await get(houses[0], path, { 'if-none-match': String(first.headers.etag) })
      expect([known.statusCode, known.body]).toEqual([304, ''])
    }
  })

  test('is kept for each language by itself', async () => {
    await givenRelease(database.pool, newsroom)
    for (let turn = 0; turn < 2; turn += 1)
      for (const language of ['en', 'nb'])
        for (const answer of [
          await get(houses[0], '', { 'accept-language': language }),
          await get(houses[0], `?language=${language}`),
        ])
          expect([answer.headers['content-language'], answer.body]).toEqual([
            language,
            expect.stringContaining(`<html lang="${language}"`),
          ])
  })

  test('has a form that was shown just now, however long the page has been kept', async () => {
    const [house] = houses
    const shownIn = (body: string) => /name="shown" value="([^"]+)"/.exec(body)![1]!
    const first = shownIn((await get(house, '')).body)
    const later = new Date(house.clock.now.getTime() + 60_000)
    house.clock.now = later
    const shown = shownIn((await get(house, '')).body)
    expect(shown).not.toBe(first)
    // Sealed a minute later: filled in at once, it is too soon; a moment later, it is not.
    const follow = () => postForm(house, `/newsrooms/${newsroom.slug}/subscriptions`, { email: 'k@example.org', shown })
    await follow()
    expect(await subscriptionOf(database.pool, newsroom, 'k@example.org')).toBeUndefined()
    house.clock.now = new Date(later.getTime() + 3_000)
    await follow()
    expect((await subscriptionOf(database.pool, newsroom, 'k@example.org')).state).toBe('pending')
  })
})

describe('what has changed shows at once, in every process', () => {
  const told = (title: string) => ({
    ...{ contacts: [], images: [], documents: [], links: [] },
    languages: { nb: { title, lead: '', bodyHtml: '<p>Tekst.</p>' } },
  })
  const titles = async (path: string, title: string) =>
    Promise.all(houses.map(async (house) => (await get(house, path)).body.includes(title)))

  test('a new release, its correction, and its withdrawal', async () => {
    const release = sampleRelease(newsroom, { content: told('Ferja går') })
    await everybodyReads('')
    await insertRelease(database.pool, release, new Date())
    expect(await titles('', 'Ferja går')).toEqual([true, true])
    const page = `/releases/${release.id}`
    await everybodyReads(page)

    // While it is being stored it is not there; what was read meanwhile is not kept beyond.
    const client = await database.pool.connect()
    await client.query('begin')
    const corrected = { ...release, revision: 2, kind: 'correction' as const, content: told('Ferja ligger') }
    await addRevision(client, corrected, new Date(Date.now() - 5_000))
    await everybodyReads(page)
    await everybodyReads('')
    await client.query('commit')
    client.release()
    expect(await titles('', 'Ferja ligger')).toEqual([true, true])
    expect(await titles(page, 'Ferja ligger')).toEqual([true, true])
    await everybodyReads(page)

    await addRevision(database.pool, { ...corrected, revision: 3, kind: 'withdrawal' }, new Date())
    expect(await titles('', 'Ferja')).toEqual([false, false])
    for (const house of houses) expect((await get(house, page)).statusCode).toBe(410)
  })

  test('a release whose hour comes, and one whose neighbours change', async () => {
    const first = await givenRelease(database.pool, newsroom, { content: told('Den første') })
    const publishedAt = new Date(Date.now() + 600_000)
    const ahead = await givenRelease(database.pool, newsroom, { publishedAt, content: told('Under embargo') })
    await everybodyReads('')
    await everybodyReads(`/releases/${first}`)
    expect(await titles('', 'Under embargo')).toEqual([false, false])
    for (const house of houses) house.clock.now = publishedAt
    expect(await titles('', 'Under embargo')).toEqual([true, true])
    expect(await titles(`/releases/${first}`, 'Under embargo')).toEqual([true, true])
    for (const house of houses) expect((await get(house, `/releases/${ahead}`)).statusCode).toBe(200)
  })

  test('the newsroom itself', async () => {
    const id = await givenRelease(database.pool, newsroom)
    await everybodyReads('')
    await everybodyReads(`/releases/${id}`)
    await updateNewsroom(database.pool, { ...newsroom, name: 'Havneby havn' }, new Date())
    expect(await titles('', 'Havneby havn')).toEqual([true, true])
    expect(await titles(`/releases/${id}`, 'Havneby havn')).toEqual([true, true])
  })
})

test('of two releases stored at the same time neither waits for the other, and each shows once it is stored', async () => {
  const clients = [await database.pool.connect(), await database.pool.connect()] as const
  await everybodyReads('')
  for (const client of clients) await client.query('begin')
  for (const client of clients) await insertRelease(client, sampleRelease(newsroom), new Date())
  const tags = [(await everybodyReads('')).headers.etag]
  for (const client of clients.toReversed()) {
    await client.query('commit')
    client.release()
    tags.push((await everybodyReads('')).headers.etag)
  }
  expect(new Set(tags).size).toBe(3)
  await insertRelease(database.pool, sampleRelease(newsroom), new Date())
  const { rows } = await database.pool.query('select number::int from release_changes where newsroom_id = $1', [
    newsroom.id,
  ])
  expect(rows.map(({ number }) => number).toSorted()).toEqual([1, 2])
})

test('many who come at once for a page that has changed have it written once', async () => {
  await givenRelease(database.pool, newsroom)
  asked.length = 0
  const alone = await get(houses[0], '?q=ferje')
  const forOne = asked.length
  await givenRelease(database.pool, newsroom)
  asked.length = 0
  const together = await Promise.all(Array.from({ length: 20 }, () => get(houses[0], '?q=ferje')))
  // One question of each, whether it still stands; and the rest of them once.
  expect(asked.length).toBe(20 + forOne - 1)
  expect(new Set(together.map(({ headers }) => headers.etag)).size).toBe(1)
  expect(together[0]!.headers.etag).not.toBe(alone.headers.etag)
})

test('pages nobody asks for again give way to those that are read', async () => {
  const [{ deps }] = houses
  const kept = openKeptAnswers<string>(
    deps,
    ({ length }) => length,
    ({ url }) => url,
  )
  const request = (url: string) => ({ url, headers: {} }) as Parameters<typeof kept.of>[0]
  let written: string[] = []
  const read = (url: string) =>
    kept.of(request(url), newsroom.slug, async () => {
      written.push(url)
      return 'x'.repeat(1024 * 1024)
    })
  for (let n = 0; n < 40; n += 1) {
    await read(`/${n}`)
    await read('/0')
  }
  expect(written).toHaveLength(40)
  written = []
  for (const url of ['/39', '/0', '/20', '/1']) await read(url)
  expect(written).toEqual(['/20', '/1'])
})

test('a page that could not be written is written by the next who asks', async () => {
  const [{ deps }] = houses
  const kept = openKeptAnswers<string>(
    deps,
    ({ length }) => length,
    ({ url }) => url,
  )
  const request = { url: '/x', headers: {} } as Parameters<typeof kept.of>[0]
  const fails = () => Promise.reject(new Error('the database is away'))
  await expect(kept.of(request, newsroom.slug, fails)).rejects.toThrow('away')
  expect(await kept.of(request, newsroom.slug, async () => 'there')).toBe('there')
  expect(await kept.of(request, newsroom.slug, fails)).toBe('there')
})
