import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { updateNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import type { Release } from '../../shared/release/release.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenRelease, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool)
  await house.app.ready()
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const topics = ['open', 'secret'].map((id) => ({ id, names: { nb: `Emne ${id}`, en: `Topic ${id}` } }))
const hour = 3_600_000

/** Every door that answers a GET and needs no token, with every question a list can be asked; whatever is added comes along. */
function doorsOf(newsroom: Newsroom, release: Release, beside: string): string[] {
  const { paths } = house.app.swagger() as unknown as { paths: Record<string, Record<string, object>> }
  const questions = [
    '',
    `?q=hemmelighet`,
    `?q=sak`,
    `?language=en&q=secretly`,
    '?topic=secret',
    '?topic=open',
    '?kind=release',
    '?kind=correction',
    '?in=nb',
    '?in=en',
    '?language=en',
    '?language=nb&topic=secret',
    `?year=${release.publishedAt.getUTCFullYear()}`,
    `?before=${release.id}`,
    `?after=${release.id}`,
    `?after=${beside}`,
    `?before=${beside}`,
  ]
  return Object.entries(paths)
    .filter(([path, methods]) => 'get' in methods && !path.includes('{token}'))
    .flatMap(([path, { get }]) => {
      // A door that takes no question is asked none.
      const takes = (get as { parameters?: { in: string }[] }).parameters?.some((one) => one.in === 'query')
      const asked = takes ? (path.includes('{id}') ? ['', '?language=en'] : questions) : ['']
      const ids = path.includes('{id}') ? [release.id, beside] : ['']
      return ids.flatMap((id) =>
        asked.map((question) => path.replace('{id}', id).replace('{slug}', newsroom.slug) + question),
      )
    })
}

type Answer = { status: number; headers: Record<string, unknown>; body: string }

async function askAll(doors: readonly string[]): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const url of doors) {
    const { statusCode, headers, body } = await house.app.inject({ url, headers: { accept: 'text/html' } })
    const { date: _, 'content-length': __, ...told } = headers
    // A refusal names its request, which is another one each time.
    answers.push({ status: statusCode, headers: told, body: body.replace(/"instance":"[^"]*"/, '') })
  }
  return answers
}

/** Which answers are the same twice, and so must be the same a third time, to the last header. Some hold a chance number. */
async function steadyOf(doors: readonly string[], before: readonly Answer[]): Promise<boolean[]> {
  const again = await askAll(doors)
  return before.map((answer, index) => JSON.stringify(answer) === JSON.stringify(again[index]))
}

const embargoes = fc.record({
  // From the next millisecond to years ahead.
  ahead: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 2_000, max: 3 * 365 * 24 * hour })),
  topics: fc.subarray(['open', 'secret']),
  inEnglish: fc.boolean(),
  fate: fc.constantFrom('as it came', 'corrected', 'moved', 'withdrawn'),
})

test('a release under embargo leaves no trace at any door: each answers as if it were not there, until its hour', async () => {
  let steady: boolean[] | undefined
  await fc.assert(
    fc.asyncProperty(embargoes, async ({ ahead, topics: about, inEnglish, fate }) => {
      const newsroom = await givenNewsroom(pool, { topics })
      house.clock.now = new Date()
      const beside = await givenRelease(pool, newsroom, { topics: ['open'], publishedAt: new Date(Date.now() - hour) })
      for (let count = 0; count < 21; count++)
        await givenRelease(pool, newsroom, { publishedAt: new Date(Date.now() - (2 + count) * hour) })
      const said = (title: string) => ({ title, lead: `${title} i Lønndalen`, bodyHtml: `<p>${title}, hver sak</p>` })
      const nb = said('Hemmelighet')
      const languages = inEnglish ? { nb, en: said('Secretly kept') } : { nb }
      const release = sampleRelease(newsroom, {
        externalId: `ext-${newsroom.slug}`,
        publishedAt: new Date(house.clock.now.getTime() + ahead),
        topics: about,
      })
      const embargoed = { ...release, content: { ...release.content, languages } }

      const doors = doorsOf(newsroom, embargoed, beside)
      expect(doors.length).toBeGreaterThan(50)
      const before = await askAll(doors)
      steady ??= await steadyOf(doors, before)
      await insertRelease(pool, embargoed, house.clock.now)
      const amended = { ...embargoed, revision: 2 }
      if (fate === 'corrected') await addRevision(pool, amended, house.clock.now)
      if (fate === 'moved')
        await addRevision(
          pool,
          { ...amended, publishedAt: new Date(embargoed.publishedAt.getTime() + hour) },
          house.clock.now,
        )
      if (fate === 'withdrawn') await addRevision(pool, { ...amended, kind: 'withdrawal' }, house.clock.now)

      const after = await askAll(doors)
      let compared = 0
      for (const [index, answer] of after.entries()) {
        const door = doors[index]!
        const told = JSON.stringify(answer).replaceAll(door, '').replaceAll(door.replaceAll('&', '&amp;'), '')
        expect([door, /Hemmelighet|Secretly kept|Lønndalen/.test(told)]).toEqual([door, false])
        if (!door.includes(embargoed.id)) expect([door, told.includes(embargoed.id)]).toEqual([door, false])
        if (steady[index]) {
          compared += 1
          expect([door, answer]).toEqual([door, before[index]])
        }
      }
      expect(compared).toBeGreaterThan(after.length * 0.5)

      house.clock.now = new Date(embargoed.publishedAt.getTime() + (fate === 'moved' ? hour : 0))
      const base = `/newsrooms/${newsroom.slug}`
      const shown = [
        base,
        `${base}?q=hemmelig`,
        `${base}/feed.atom`,
        `${base}/feed.rss`,
        `${base}/feed.json`,
        `${base}/releases/${beside}`,
        '/sitemap.xml',
      ]
      for (const url of shown) {
        const { body } = await house.app.inject({ url, headers: { accept: 'text/html' } })
        expect([url, body.includes(embargoed.id)]).toEqual([url, fate !== 'withdrawn'])
      }
      const page = await house.app.inject({ url: `${base}/releases/${embargoed.id}`, headers: { accept: 'text/html' } })
      // What was taken back before its hour was never there.
      expect(page.statusCode).toBe(fate === 'withdrawn' ? 404 : 200)
    }),
    { numRuns: 3, examples: [[{ ahead: 1, topics: ['secret'], inEnglish: true, fate: 'as it came' }]] },
  )
})

test('what one newsroom does changes no answer of another, also not to who asks with the ids of the one', async () => {
  const [one, other] = [await givenNewsroom(pool, { topics }), await givenNewsroom(pool, { topics })]
  house.clock.now = new Date()
  const beside = await givenRelease(pool, other, { topics: ['open'] })
  const release = sampleRelease(one, { topics: ['open'], publishedAt: new Date(Date.now() - hour) })
  const doors = doorsOf(other, release, beside).filter((door) => door.includes(other.slug))
  expect(doors.length).toBeGreaterThan(50)
  const before = await askAll(doors)
  const steady = await steadyOf(doors, before)
  await insertRelease(pool, release, house.clock.now)
  await addRevision(pool, { ...release, revision: 2, kind: 'correction' }, house.clock.now)
  await updateNewsroom(pool, { ...one, name: 'Et annet navn', topics: [] }, house.clock.now)
  const after = await askAll(doors)
  for (const [index, answer] of after.entries())
    if (steady[index]) expect([doors[index], answer]).toEqual([doors[index], before[index]])
})

test('no address, however written, leads a visitor away from here', async () => {
  const newsroom = await givenNewsroom(pool, { topics })
  const away = [
    '//evil.example',
    '/\\evil.example',
    'https:evil.example',
    '%0d%0aLocation:%20//evil.example',
    '/%2f%2fevil.example',
  ]
  const base = `/newsrooms/${newsroom.slug}`
  for (const to of away)
    for (const url of [
      to,
      `${base}${to}`,
      `${base}?language=${to}`,
      `${base}?before=${to}`,
      `${base}?next=${to}&topic=${to}`,
      `${base}/feed.atom?language=${to}`,
    ]) {
      const answer = await house.app.inject({
        url: url.startsWith('/') ? url : `/${url}`,
        headers: { accept: 'text/html' },
      })
      expect([url, answer.headers.location, answer.statusCode < 300 || answer.statusCode >= 400]).toEqual([
        url,
        undefined,
        true,
      ])
      expect(answer.body).not.toMatch(/(?:href|action|src)="(?:\/\/|\/\\|https:)evil/i)
    }
})
