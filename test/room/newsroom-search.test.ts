import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Language } from '../../shared/language/language.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type GivenRelease, givenRelease, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let newsroom: Newsroom

const topics = [
  { id: 'sea', names: { nb: 'Havet', en: 'The sea', fi: 'Meri', sv: 'Havet', da: 'Havet', se: 'Mearra' } },
  { id: 'money', names: { nb: 'Penger', en: 'Money', fi: 'Raha', sv: 'Pengar', da: 'Penge', se: 'Ruhta' } },
]

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool)
  newsroom = await givenNewsroom(pool, { languages: ['nb', 'en', 'sv', 'da', 'fi', 'se'], topics })
  const other = await givenNewsroom(pool, { topics })
  await given('Ferger til alle øyene', { publishedAt: at('2026-02-01T10:00:00Z'), topics: ['sea'] })
  await given('Budsjettet er vedtatt', { publishedAt: at('2025-12-31T23:30:00Z'), topics: ['money'] })
  await given('Ny fergekai', { kind: 'correction', publishedAt: at('2025-06-01T10:00:00Z'), topics: ['sea', 'money'] })
  await given('Skolene åpner', { publishedAt: at('2024-06-01T10:00:00Z') })
  await given('The libraries are open', { publishedAt: at('2024-05-01T10:00:00Z') }, 'en')
  await given('Färjorna går', { publishedAt: at('2024-04-01T10:00:00Z') }, 'sv')
  await given('Bibliotekerne åbner', { publishedAt: at('2024-03-01T10:00:00Z') }, 'da')
  await given('Kirjastot avautuvat', { publishedAt: at('2024-02-01T10:00:00Z') }, 'fi')
  await given('Girjerájut rahpasit', { publishedAt: at('2024-01-01T10:00:00Z') }, 'se')
  await givenRelease(pool, other, { content: { languages: text('Ferger hos naboen') } })
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const at = (instant: string) => new Date(instant)
const text = (title: string, language: Language = 'nb') => ({
  [language]: {
    title,
    lead: `Om ${title}`,
    bodyHtml: '<p>Rådhuset&nbsp;ligger i <b>Storgata</b>.</p><script>skjult()</script>',
  },
})
const given = (title: string, release: GivenRelease, language: Language = 'nb') =>
  givenRelease(pool, newsroom, { ...release, content: { languages: text(title, language) } })

const open = (query: string, headers = {}) =>
  house.app.inject({ url: `/newsrooms/${newsroom.slug}${query}`, headers: { accept: 'text/html', ...headers } })
const plain = (html: string) => html.replace(/<[^>]*>/g, '').trim()
const titlesIn = (html: string) =>
  [...html.matchAll(/class="entry-title">(.*?)<\/h3>/g)].map(([, title]) => plain(title!))
const titles = async (query: string) => titlesIn((await open(query)).body)

describe('a search', () => {
  test.each([
    ['ferge', ['Ferger til alle øyene', 'Ny fergekai']],
    ['FERGENE', ['Ferger til alle øyene']],
    ['fergek', ['Ny fergekai']],
    ['ny kai', []],
    ['budsjett vedtatt', ['Budsjettet er vedtatt']],
    ['det er vedtatt', ['Budsjettet er vedtatt']],
    ['library', ['The libraries are open']],
    ['färja', ['Färjorna går']],
    ['bibliotek', ['Bibliotekerne åbner']],
    ['kirjasto', ['Kirjastot avautuvat']],
    ['girjeráj', ['Girjerájut rahpasit']],
    ['rådhus ferger', ['Ferger til alle øyene']],
    ['naboen', []],
    ['skjult', []],
    ['Storgata.', 9],
  ])('for “%s” finds %j', async (asked, found) => {
    const shown = await titles(`?q=${encodeURIComponent(asked)}`)
    expect(typeof found === 'number' ? shown.length : shown).toEqual(found)
  })

  test('marks what it found, in the title and in the lead', async () => {
    const { body } = await open('?language=nb&q=ferge')
    expect(body).toContain('<mark>Ferger</mark> til alle øyene</a>')
    expect(body).toContain('Om <mark>Ferger</mark> til alle øyene</p>')
    expect(body).toContain('Fant 2 pressemeldinger')
    expect(body).toContain('<title>Søk etter «ferge» –')
    expect(body).toContain('<meta name="robots" content="noindex, follow">')
  })

  test('that finds nothing says so in a sentence, and how to go on', async () => {
    const { body, statusCode } = await open('?language=en&q=zeppelin')
    expect(statusCode).toBe(200)
    expect(body).toContain('No press release matches “zeppelin”. Try fewer or other words.</p>')
    const narrowed = await open('?language=en&q=zeppelin&topic=sea')
    expect(narrowed.body).toContain('Try fewer or other words, or remove one of your choices.')
    // A screen reader is told what the little cross beside a choice does.
    expect(narrowed.body).toContain('<span class="unseen">Remove </span>The sea')
    expect(body).toContain(`href="/newsrooms/${newsroom.slug}?language=en">Show all press releases</a>`)
  })

  test('finds the text as it stands now: not what a correction took out, and nothing that was withdrawn', async () => {
    const room = await givenNewsroom(pool)
    const release = sampleRelease(room, {
      content: { ...sampleRelease(room).content, languages: text('Gammel tekst') },
    })
    await insertRelease(pool, release, new Date())
    const find = async (asked: string) => titlesIn((await house.app.inject(`/newsrooms/${room.slug}?q=${asked}`)).body)
    expect(await find('gammel')).toEqual(['Gammel tekst'])
    const corrected = { ...release.content, languages: text('Ny tekst', 'en') }
    await addRevision(pool, { ...release, revision: 2, kind: 'correction', content: corrected }, new Date())
    expect([await find('gammel'), await find('tekst')]).toEqual([[], ['Ny tekst']])
    await addRevision(pool, { ...release, revision: 3, kind: 'withdrawal', content: corrected }, new Date())
    expect([await find('tekst'), await find('')]).toEqual([[], []])
  })

  test.skipIf(!existsSync(strings))('takes any string there is, shows it as text and breaks nothing', async () => {
    const asked = JSON.parse(readFileSync(strings, 'utf8')) as string[]
    for (const one of [...asked, "' & !", ':*', 'a:*b | c & (d', '\\', 'x'.repeat(5_000), '𝔘𝔫𝔦'.repeat(90), '%00']) {
      const page = await open(`?language=en&q=${encodeURIComponent(one.toWellFormed())}`)
      expect([one, page.statusCode]).toEqual([one, 200])
      expect(page.body).not.toMatch(/<script(?! type="application\/ld)|\son[a-z]+="|<img|<svg|<iframe/i)
    }
    expect((await open('?q=%')).statusCode).toBeLessThan(500)
    expect((await open('?q=a&q=b')).statusCode).toBe(400)
  })
})

describe('the list is narrowed', () => {
  test.each([
    ['?year=2026', ['Ferger til alle øyene', 'Budsjettet er vedtatt']],
    ['?year=2025', ['Ny fergekai']],
    ['?year=1999', []],
    ['?topic=sea', ['Ferger til alle øyene', 'Ny fergekai']],
    ['?topic=sea&kind=correction', ['Ny fergekai']],
    ['?kind=release&year=2026&topic=money', ['Budsjettet er vedtatt']],
    ['?in=en', ['The libraries are open']],
    ['?in=en&q=ferge', []],
    ['?q=&year=&topic=&kind=&in=fi', ['Kirjastot avautuvat']],
  ])('by %s to %j, counted', async (query, found) => {
    const { body } = await open(`${query}&language=nb`)
    expect(titlesIn(body)).toEqual(found)
    if (found.length > 0)
      expect(body).toContain(`Fant ${found.length} ${found.length === 1 ? 'pressemelding' : 'pressemeldinger'}`)
    else expect(body).toMatch(/Ingen pressemeldinger passer/)
  })

  test('from a form that needs no script, offers what there is, and shows what is chosen with a way to be rid of it', async () => {
    const { body } = await open('?language=en&topic=sea&year=2026')
    expect(body).toContain(`<form class="narrowing" role="search" method="get" action="/newsrooms/${newsroom.slug}">`)
    expect([...body.matchAll(/<option value="(\d{4})"/g)].map(([, year]) => year)).toEqual(['2026', '2025', '2024'])
    expect(body).toContain('<option value="sea" selected>The sea</option>')
    expect(body).toContain('<details open>')
    expect(body).toContain(`<a href="/newsrooms/${newsroom.slug}?language=en&amp;topic=sea">`)
    expect(body).toContain(`<a href="/newsrooms/${newsroom.slug}?language=en&amp;year=2026">`)
  })

  test.each([
    '?year=x',
    '?year=20267',
    '?topic=nothing',
    '?kind=withdrawal',
    '?in=klingon',
    '?before=x',
    '?after=x',
    '?before=00000000-0000-7000-8000-000000000000',
  ])('by nonsense (%s) to a page that is not there', async (query) => {
    const page = await open(query)
    expect([page.statusCode, page.body.includes('entry-title')]).toEqual([404, false])
  })
})

describe('pages are turned', () => {
  const linkIn = (body: string, rel: string) =>
    new RegExp(`rel="${rel}" href="([^"]+)"`).exec(body)?.[1]?.replaceAll('&amp;', '&')

  test('both ways, past every release once, with the search and the narrowing kept', async () => {
    const room = await givenNewsroom(pool, { topics })
    const hour = 3_600_000
    for (let count = 0; count < 55; count++)
      await givenRelease(pool, room, {
        // Some share their instant, and every other one is about something else.
        publishedAt: new Date(Date.now() - (1 + Math.floor(count / 3)) * hour),
        topics: [count % 11 === 0 ? 'money' : 'sea'],
        content: { languages: text(`Sak nr. ${count}`) },
      })
    const start = `/newsrooms/${room.slug}?language=nb&q=sak&topic=sea`
    const forth: string[][] = []
    let back = ''
    for (let next: string | undefined = start; next; ) {
      const { body } = await house.app.inject(next)
      expect(body).toContain('Fant 50 pressemeldinger')
      forth.push(titlesIn(body))
      back = linkIn(body, 'prev') ?? ''
      next = linkIn(body, 'next')
    }
    expect(forth.map((page) => page.length)).toEqual([20, 20, 10])
    expect(new Set(forth.flat()).size).toBe(50)
    const { body: middle } = await house.app.inject(back)
    expect(titlesIn(middle)).toEqual(forth[1])
    const { body: first } = await house.app.inject(linkIn(middle, 'prev')!)
    expect(titlesIn(first)).toEqual(forth[0])
    expect(linkIn(first, 'prev')).toBeUndefined()
  })

  test('a release taken back since still shows the way to what was beside it', async () => {
    const room = await givenNewsroom(pool)
    const [a, b, c] = [3, 2, 1].map((hours) =>
      sampleRelease(room, { publishedAt: new Date(Date.now() - hours * 3_600_000) }),
    )
    for (const release of [a!, b!, c!]) await insertRelease(pool, release, release.publishedAt)
    await addRevision(pool, { ...b!, revision: 2, kind: 'withdrawal' }, new Date())
    const page = await house.app.inject(`/newsrooms/${room.slug}?before=${b!.id}`)
    expect([...page.body.matchAll(/releases\/([0-9a-f-]{36})/g)].map(([, id]) => id)).toEqual([a!.id])
  })
})
