import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pool } from '../../shared/postgres/pool.ts'
import { insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenRelease, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

let database: TestDatabase
let pool: Pool
let house: ReaderHouse

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool)
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const get = (url: string, headers = {}) => house.app.inject({ url, headers: { accept: 'text/html', ...headers } })
const minutes = (count: number) => new Date(house.clock.now.getTime() + count * 60_000)
const textsOf = (title: string) => ({ nb: { title, lead: `Om ${title}`, bodyHtml: `<p>${title}</p>` } })

describe('the newsroom page', () => {
  test('shows a search as soon as there is something to find', async () => {
    const newsroom = await givenNewsroom(pool)
    expect((await get(`/newsrooms/${newsroom.slug}`)).body).not.toContain('role="search"')
    await givenRelease(pool, newsroom, { publishedAt: minutes(-10) })
    expect((await get(`/newsrooms/${newsroom.slug}`)).body).toContain('role="search"')
  })

  test('lists what is published, newest first, and neither what waits nor what was withdrawn', async () => {
    const newsroom = await givenNewsroom(pool)
    await givenRelease(pool, newsroom, { publishedAt: minutes(-30), content: { languages: textsOf('Eldst') } })
    await givenRelease(pool, newsroom, { publishedAt: minutes(-10), content: { languages: textsOf('Nyest') } })
    await givenRelease(pool, newsroom, { publishedAt: minutes(10), content: { languages: textsOf('Senere') } })
    await givenRelease(pool, newsroom, { kind: 'withdrawal', content: { languages: textsOf('Trukket') } })
    await givenRelease(pool, newsroom, {
      kind: 'correction',
      publishedAt: minutes(-20),
      content: { languages: textsOf('Rettet') },
    })
    const page = await get(`/newsrooms/${newsroom.slug}`)
    expect([...page.body.matchAll(/entry-title"><a[^>]*>([^<]+)</g)].map((match) => match[1])).toEqual([
      'Nyest',
      'Rettet',
      'Eldst',
    ])
    expect(page.body).toContain('<span class="badge">Rettelse</span>')
    expect(page.body).toMatch(/<time datetime="[\d-]+T[\d:.]+Z">\d+\. \w+ \d{4} kl\.\u00a0\d\d\.\d\d<\/time>/)
    expect(page.body.match(/sentraleuropeisk tid/g)).toHaveLength(1)
    expect(page.body).toContain('<p class="small zone">Alle tidspunkter: sentraleuropeisk tid</p>')
  })

  test('a release published in another zone than its newsroom’s says so on its own line', async () => {
    const newsroom = await givenNewsroom(pool)
    await givenRelease(pool, newsroom, { publishedAt: minutes(-60) })
    const abroad = sampleRelease(newsroom, { publishedAt: new Date('2026-03-03T14:00:00Z'), zone: 'America/New_York' })
    await insertRelease(pool, abroad, new Date('2026-03-03T14:00:00Z'))
    const { body } = await get(`/newsrooms/${newsroom.slug}`)
    expect(body).toContain('>3. mars 2026 kl.\u00a009.00 (tidssone for den nordamerikanske østkysten)</time>')
    expect(body.match(/sentraleuropeisk tid/g)).toHaveLength(1)
    // On its own page it is the others that are told apart.
    const own = (await get(`/newsrooms/${newsroom.slug}/releases/${abroad.id}`)).body
    expect(own).toContain('>3. mars 2026 kl.\u00a009.00 (tidssone for den nordamerikanske østkysten)</time>')
    expect(own.match(/sentraleuropeisk tid\)<\/time>/g)).toHaveLength(1)
  })

  test('a release is nowhere until its minute, and then everywhere', async () => {
    const newsroom = await givenNewsroom(pool)
    const id = await givenRelease(pool, newsroom, {
      publishedAt: minutes(5),
      content: { languages: textsOf('Embargo') },
    })
    const places = [`/newsrooms/${newsroom.slug}`, `/newsrooms/${newsroom.slug}/releases/${id}`]
    const shows = async () =>
      (await Promise.all(places.map((place) => get(place)))).map((page) => page.body.includes('Embargo'))
    const present = house.clock.now
    const hour = minutes(5)
    house.clock.now = new Date(hour.getTime() - 1)
    expect(await shows()).toEqual([false, false])
    const hidden = await house.app.inject(places[1]!)
    const unknown = await house.app.inject(
      places[1]!.replace(/.$/, '0').replace(/0$/, (last) => (id.endsWith('0') ? '1' : last)),
    )
    expect(hidden.statusCode).toBe(404)
    expect({ ...hidden.json(), instance: '' }).toEqual({ ...unknown.json(), instance: '' })
    house.clock.now = hour
    expect(await shows()).toEqual([true, true])
    house.clock.now = present
  })

  test('every release is reached by turning pages, once, also those of one instant', async () => {
    const newsroom = await givenNewsroom(pool)
    const same = minutes(-60)
    for (let count = 0; count < 45; count++)
      await givenRelease(pool, newsroom, { publishedAt: same, content: { languages: textsOf(`Nr. ${count}`) } })
    const seen: string[] = []
    let next: string | undefined = `/newsrooms/${newsroom.slug}`
    while (next) {
      const { body }: { body: string } = await get(next)
      seen.push(...[...body.matchAll(/>(Nr\. \d+)</g)].map((match) => match[1]!))
      next = /rel="next" href="([^"]+)"/.exec(body)?.[1]?.replaceAll('&amp;', '&')
    }
    expect(seen).toHaveLength(45)
    expect(new Set(seen).size).toBe(45)
    expect((await get(`/newsrooms/${newsroom.slug}?before=x`)).statusCode).toBe(404)
  })

  test.each([
    ['?language=fi', 'sv', 'fi'],
    ['', 'en-GB,en;q=0.9', 'en'],
    ['', 'de, no;q=0.8, en;q=0.5', 'nb'],
    ['', 'fi', 'nb'],
    ['?language=klingon', '', 'nb'],
  ])('asked with “%s” and “%s” it speaks %s', async (query, accepted, language) => {
    const newsroom = await givenNewsroom(pool)
    const page = await get(`/newsrooms/${newsroom.slug}${query}`, { 'accept-language': accepted })
    expect(page.body).toContain(`<html lang="${language}">`)
    expect(page.headers['content-language']).toBe(language)
  })

  test('a browser that has the page is told so, until something is published', async () => {
    const newsroom = await givenNewsroom(pool)
    const url = `/newsrooms/${newsroom.slug}`
    const { etag } = (await get(url)).headers as { etag: string }
    const second = await get(url, { 'if-none-match': etag })
    expect([second.statusCode, second.body]).toEqual([304, ''])
    await givenRelease(pool, newsroom)
    expect((await get(url, { 'if-none-match': etag })).statusCode).toBe(200)
  })

  test('no answer has a cookie, a script or a way to be framed', async () => {
    const newsroom = await givenNewsroom(pool)
    const release = await givenRelease(pool, newsroom)
    const base = `/newsrooms/${newsroom.slug}`
    for (const url of ['/', base, `${base}/releases/${release}`, `${base}/subscriptions`, `${base}/releases/x`]) {
      const page = await get(url)
      expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(page.headers['content-security-policy']).not.toContain('unsafe')
      expect(page.headers).toMatchObject({
        ...{ 'x-content-type-options': 'nosniff', 'strict-transport-security': 'max-age=31536000' },
      })
      expect(page.headers['set-cookie']).toBeUndefined()
      expect(page.body).not.toMatch(/<script(?! type="application\/ld\+json">)|style=|\son\w+=/)
    }
  })

  test('its style is kept for ever under its own name, and its colour is readable whatever the publisher chose', async () => {
    const newsroom = await givenNewsroom(pool, { accent: '#ffee00' })
    const { body } = await get(`/newsrooms/${newsroom.slug}`)
    const sheets = [...body.matchAll(/rel="stylesheet" href="([^"]+)"/g)].map((match) => match[1]!)
    expect(sheets).toHaveLength(2)
    for (const sheet of sheets) {
      const answer = await house.app.inject(sheet)
      expect(answer.headers).toMatchObject({
        ...{ 'content-type': 'text/css; charset=utf-8', 'cache-control': 'public, max-age=31536000, immutable' },
      })
    }
    expect((await house.app.inject('/assets/pages.css')).headers['cache-control']).toBe('no-cache')
    expect((await house.app.inject(sheets[1]!)).body).not.toContain('--accent: #ffee00;\n@media')
  })
})

describe('the release page', () => {
  test('shows the whole release, cleaned, with what belongs to it', async () => {
    const newsroom = await givenNewsroom(pool, { about: { nb: 'Vi styrer havna.' } })
    const id = await givenRelease(pool, newsroom, {
      content: {
        languages: {
          nb: {
            title: 'Ny ferje',
            lead: 'På strøm.',
            bodyHtml: '<p onclick="x()">Fra <b>mandag</b>.</p><script>alert(1)</script>',
          },
          en: { title: 'New ferry', lead: 'Electric.', bodyHtml: '<p>From Monday.</p>' },
        },
        contacts: [
          { name: 'Kari Nordmann', role: 'Havnesjef', phone: '+47 22 00 00 00', email: 'kari@havneby.example' },
        ],
        images: [
          { url: 'https://files.example/ferje.jpg', alt: 'Ferja ved kai', caption: 'Ferja', credit: 'Ola Nordmann' },
        ],
        documents: [
          { url: 'https://files.example/plan.pdf', title: 'Ruteplan', type: 'application/pdf', size: 1_240_000 },
        ],
        links: [{ url: 'javascript:alert(1)', title: 'Farlig' }],
      },
    })
    const { body } = await get(`/newsrooms/${newsroom.slug}/releases/${id}`)
    expect(body).toContain('<h1>Ny ferje</h1>')
    expect(body).toContain('<p>Fra <b>mandag</b>.</p>')
    expect(body).not.toMatch(/alert\(1\)|onclick/)
    expect(body).toContain('<a href="tel:+4722000000">+47\u00a022\u00a000\u00a000\u00a000</a>')
    expect(body).toContain('href="mailto:kari@havneby.example"')
    expect(body).toContain('alt="Ferja ved kai"')
    expect(body).toContain('Foto/illustrasjon: Ola Nordmann')
    expect(body).toMatch(/Ruteplan<\/a> <span class="quiet">\(PDF, 1,2 MB\)/)
    expect(body).toContain('<li>Farlig</li>')
    expect(body).toContain('Vi styrer havna.')
    const english = await get(`/newsrooms/${newsroom.slug}/releases/${id}?language=en`)
    expect(english.body).toContain('<h1>New ferry</h1>')
    expect(english.body).toContain('<html lang="en">')
  })

  test('of a withdrawn release only the withdrawal is left', async () => {
    const newsroom = await givenNewsroom(pool)
    const id = await givenRelease(pool, newsroom, { kind: 'withdrawal', content: { languages: textsOf('Hemmelig') } })
    const page = await get(`/newsrooms/${newsroom.slug}/releases/${id}`)
    expect(page.statusCode).toBe(410)
    expect(page.body).toContain('Pressemeldingen er trukket tilbake')
    expect(page.body).not.toContain('Hemmelig')
    expect((await house.app.inject(`/newsrooms/${newsroom.slug}/releases/${id}`)).statusCode).toBe(410)
  })

  test('a release of one newsroom is not found in another', async () => {
    const [one, other] = [await givenNewsroom(pool), await givenNewsroom(pool)]
    const id = await givenRelease(pool, one)
    expect((await get(`/newsrooms/${other.slug}/releases/${id}`)).statusCode).toBe(404)
  })

  test.skipIf(!existsSync(strings))('no naughty string in any field becomes markup', async () => {
    // Without anchors: a phone number, an address or a link is one only where it leads somewhere.
    const tagsOf = (html: string) => html.replace(/="[^"]*"/g, '').match(/<\/?(?!a\b)[a-z][^>]*>/gi)
    const filled = (text: string) => ({
      languages: { nb: { title: `t${text}`, lead: `l${text}`, bodyHtml: '<p>x</p>' } },
      contacts: [{ name: `n${text}`, role: `r${text}`, phone: `p${text}`, email: `e${text}` }],
      images: [{ url: 'https://files.example/a.jpg', alt: `a${text}`, caption: `c${text}`, credit: `c${text}` }],
      documents: [{ url: 'https://files.example/a.pdf', title: `d${text}` }],
      links: [{ url: text, title: `l${text}` }],
    })
    const pageWith = async (text: string) => {
      // A NUL is refused where releases enter, and PostgreSQL knows none.
      const content = filled(text.replaceAll('\u0000', ''))
      const newsroom = await givenNewsroom(pool)
      const id = await givenRelease(pool, newsroom, { content })
      return get(`/newsrooms/${newsroom.slug}/releases/${id}`)
    }
    const plain = tagsOf((await pageWith('x')).body)
    for (const text of JSON.parse(readFileSync(strings, 'utf8')) as string[]) {
      const page = await pageWith(text)
      expect(page.statusCode).toBe(200)
      expect(tagsOf(page.body)).toEqual(plain)
      expect(page.body).not.toMatch(/<a href="(?!https?:|\/|#|tel:|mailto:)/i)
    }
  })
})
