import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import type { Release, ReleaseContent } from '../../shared/release/release.ts'
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
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const get = (url: string, headers = {}) => house.app.inject({ url, headers: { accept: 'text/html', ...headers } })
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)
const example = (name: string): ReleaseContent => {
  const text = readFileSync(join(import.meta.dirname, '../../examples', name), 'utf8')
  const { languages, contacts, images, documents, links } = JSON.parse(
    text.replaceAll('{{publicUrl}}', 'https://press.example'),
  ).data
  return { languages, contacts, images, documents, links }
}

test.each(['/newsrooms/%00', '/newsrooms/%00/look.css', '/newsrooms/%00/feed.atom', '/newsrooms/x%00/subscriptions'])(
  'what scanners ask for is not there, and no fault of ours: %s',
  async (url) => {
    const asked = await house.app.inject({ url, headers: { origin: 'https://elsewhere.example' } })
    expect(asked.statusCode).toBeLessThan(500)
  },
)

test.each(['//', '///', 'http://h:99999/', '//elsewhere.example/'])(
  'however odd an address is asked for, its page leads nowhere but here: %s',
  async (path) => {
    const at = new URL(await house.app.listen({ host: '127.0.0.1', port: 0 }).catch(() => house.app.listeningOrigin))
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const asking = request({ host: at.hostname, port: at.port, path, headers: { accept: 'text/html' } }, (got) => {
        let body = ''
        got.on('data', (chunk) => {
          body += chunk
        })
        got.on('end', () => resolve({ status: got.statusCode!, body }))
      })
      asking.on('error', reject).end()
    })
    expect(answer.status).toBeLessThan(500)
    expect(answer.body).not.toMatch(/href="(?:\/\/|http:\/\/h|https?:\/\/elsewhere)/)
  },
)

describe('what everybody may read', () => {
  test('is compressed for who can unpack it, and the same inside', async () => {
    const newsroom = await givenNewsroom(pool)
    const id = await givenRelease(pool, newsroom, { content: example('release.json') })
    const base = `/newsrooms/${newsroom.slug}`
    const { body: page } = await get(base)
    const styles = [...page.matchAll(/rel="stylesheet" href="([^"]+)"/g)].map(([, href]) => href!)
    for (const url of [
      '/',
      base,
      `${base}/releases/${id}`,
      `${base}/feed.atom`,
      `${base}/feed.rss`,
      `${base}/feed.json`,
      styles[0]!,
    ]) {
      const whole = await get(url)
      for (const [encoding, unpack] of [
        ['br', brotliDecompressSync],
        ['gzip', gunzipSync],
      ] as const) {
        const packed = await get(url, { 'accept-encoding': encoding })
        expect([url, packed.headers['content-encoding']]).toEqual([url, encoding])
        expect(String(packed.headers.vary).toLowerCase()).toContain('accept-encoding')
        expect(unpack(packed.rawPayload).toString()).toBe(whole.body)
        if (whole.headers.etag === undefined) continue
        expect(packed.headers.etag).toBe(whole.headers.etag)
        const known = await get(url, { 'accept-encoding': encoding, 'if-none-match': String(packed.headers.etag) })
        expect([known.statusCode, known.body]).toEqual([304, ''])
      }
    }
  })

  test('is small: a page and its styles come in under 60 KB, pictures aside', async () => {
    const newsroom = await givenNewsroom(pool, { about: { nb: 'Vi styrer havna. '.repeat(40) } })
    for (let count = 0; count < 25; count++)
      await givenRelease(pool, newsroom, {
        publishedAt: ago(count + 5),
        content: example(count % 2 ? 'follow-up.json' : 'release.json'),
      })
    const id = await givenRelease(pool, newsroom, { content: example('release.json') })
    for (const url of [
      '/',
      `/newsrooms/${newsroom.slug}`,
      `/newsrooms/${newsroom.slug}?q=klynge`,
      `/newsrooms/${newsroom.slug}/releases/${id}`,
    ]) {
      const page = await get(url)
      const styles = [...page.body.matchAll(/rel="stylesheet" href="([^"]+)"/g)].map(([, href]) => href!)
      const bytes = await Promise.all(styles.map(async (href) => (await get(href)).rawPayload.length))
      const whole = bytes.reduce((sum, one) => sum + one, page.rawPayload.length)
      const packed = (await get(url, { 'accept-encoding': 'br' })).rawPayload.length
      expect([url, whole < 60_000, packed < 15_000, whole, packed]).toEqual([url, true, true, whole, packed])
    }
  })

  test('is asked about each time: a page that is known is not sent twice, one that changed is', async () => {
    const newsroom = await givenNewsroom(pool)
    const release = sampleRelease(newsroom, { publishedAt: ago(10) })
    await insertRelease(pool, release, ago(10))
    const url = `/newsrooms/${newsroom.slug}/releases/${release.id}`
    const { etag, 'cache-control': cached } = (await get(url)).headers
    expect(cached).toBe('no-cache')
    const status = async () => (await get(url, { 'if-none-match': `W/"other",${etag}` })).statusCode
    expect(await status()).toBe(304)
    await addRevision(pool, { ...release, revision: 2, kind: 'withdrawal' }, new Date())
    const gone = await get(url, { 'if-none-match': String(etag) })
    expect([gone.statusCode, gone.headers['cache-control']]).toEqual([410, 'no-store'])
  })
})

describe('a corrected release', () => {
  const texts = (release: Release) => release.content.languages
  const changesIn = (body: string) =>
    [...(/<section class="changes".*?<\/section>/s.exec(body)?.[0] ?? '').matchAll(/<li>(.*?)<\/li>/gs)].map(
      ([, change]) =>
        change!
          .replace(/<br>/g, ' | ')
          .replace(/<[^>]*>/g, '')
          .trim(),
    )

  test('says what changed, when, and what it replaces; each change, newest first, for the language that is read', async () => {
    const newsroom = await givenNewsroom(pool)
    const at = (clock: string) => new Date(`2024-03-14T${clock}:00Z`)
    const release = sampleRelease(newsroom, { publishedAt: at('09:00') })
    await insertRelease(pool, release, at('07:00'))
    // Replaced before anybody could read it, so nobody needs to hear of it.
    const unseen = { ...release.content, languages: { nb: { title: 'Usett', lead: '', bodyHtml: '' } } }
    await addRevision(pool, { ...release, revision: 2, content: unseen }, at('07:30'))
    await addRevision(pool, { ...release, revision: 3 }, at('08:00'))
    const { nb, en } = texts(release)
    const first = { ...release.content, languages: { nb: { ...nb!, title: 'Ny tittel', lead: 'Ny ingress' }, en: en! } }
    await addRevision(pool, { ...release, revision: 4, kind: 'correction', content: first }, at('10:00'))
    const second = {
      ...first,
      contacts: [{ name: 'Kari' }],
      languages: { ...first.languages, en: { ...en!, bodyHtml: '<p>Other</p>' } },
    }
    await addRevision(pool, { ...release, revision: 5, kind: 'correction', content: second }, at('11:00'))
    const url = `/newsrooms/${newsroom.slug}/releases/${release.id}`
    const told = 'mars 2024 kl.\u00a0'
    const norwegian = (await get(`${url}?language=nb`)).body
    expect(changesIn(norwegian)).toEqual([
      `Rettet 14. ${told}12.00 | Endret: kontakter, teksten på et annet språk. | Erstatter utgaven fra 14. ${told}11.00.`,
      `Rettet 14. ${told}11.00 | Endret: tittel, ingress. | Erstatter utgaven fra 14. ${told}10.00.`,
    ])
    // Their hours are in the zone that the release's own hour names, once.
    expect(norwegian.match(/sentraleuropeisk tid/g)).toHaveLength(1)
    expect(norwegian).toContain(`14. ${told}10.00 (sentraleuropeisk tid)</time>`)
    expect(norwegian).not.toContain('Usett')
    expect(norwegian).toContain('<meta property="article:modified_time" content="2024-03-14T11:00:00.000Z">')
    expect(changesIn((await get(`${url}?language=en`)).body)[0]).toContain('Changed: body text, contacts.')
  })

  test('in a language it had not before is new there', async () => {
    const newsroom = await givenNewsroom(pool)
    const release = sampleRelease(newsroom, { publishedAt: ago(60) })
    const { nb } = texts(release)
    await insertRelease(pool, { ...release, content: { ...release.content, languages: { nb: nb! } } }, ago(60))
    await addRevision(pool, { ...release, revision: 2, kind: 'correction' }, ago(30))
    const { body } = await get(`/newsrooms/${newsroom.slug}/releases/${release.id}?language=en`)
    expect(changesIn(body)).toEqual([expect.stringContaining('Changed: new in this language.')])
  })

  test('that was only ever corrected before its hour shows no change at all', async () => {
    const newsroom = await givenNewsroom(pool)
    const release = sampleRelease(newsroom, { publishedAt: ago(10) })
    await insertRelease(pool, release, ago(60))
    await addRevision(
      pool,
      { ...release, revision: 2, content: { ...release.content, contacts: [{ name: 'Kari' }] } },
      ago(30),
    )
    expect((await get(`/newsrooms/${newsroom.slug}/releases/${release.id}`)).body).not.toContain('class="changes"')
  })
})

describe('a release page', () => {
  test('leads on: to its topics, its neighbours, its other languages, and to a letter with its address', async () => {
    const topics = [{ id: 'sea', names: { nb: 'Havet', en: 'The sea' } }]
    const newsroom = await givenNewsroom(pool, { topics })
    const [older, release, newer] = [30, 20, 10].map((minutes) =>
      sampleRelease(newsroom, { publishedAt: ago(minutes), topics: ['sea', 'gone'] }),
    )
    for (const one of [older!, release!, newer!]) await insertRelease(pool, one, one.publishedAt)
    const base = `/newsrooms/${newsroom.slug}`
    const { body } = await get(`${base}/releases/${release!.id}?language=en&utm=x`)
    expect(body).toContain(`<a href="${base}?language=en&amp;topic=sea">The sea</a>`)
    expect(body).toContain(`rel="prev" href="${base}/releases/${older!.id}?language=en"`)
    expect(body).toContain(`rel="next" href="${base}/releases/${newer!.id}?language=en"`)
    const address = `https://press.example${base}/releases/${release!.id}`
    expect(body).toContain(`<link rel="canonical" href="${address}?language=en">`)
    for (const [language, href] of [
      ['nb', `${address}?language=nb`],
      ['en', `${address}?language=en`],
      ['x-default', address],
    ])
      expect(body).toContain(`<link rel="alternate" hreflang="${language}" href="${href}">`)
    expect(body).toContain(`readonly value="${address}?language=en"`)
    expect(body).toContain(
      `mailto:?subject=A%20new%20quay%20opens&amp;body=${encodeURIComponent(`${address}?language=en`)}`,
    )
  })

  test('tells machines what it is in words no text of a publisher can break out of', async () => {
    const newsroom = await givenNewsroom(pool, { logoUrl: 'https://files.example/logo.png' })
    const title = '</script><script>alert(1)</script><!--'
    const id = await givenRelease(pool, newsroom, {
      content: {
        languages: { nb: { title, lead: '"}</SCRIPT>', bodyHtml: '' } },
        images: [{ url: 'https://files.example/a.jpg', alt: 'Ei ferje' }],
      },
    })
    const { body } = await get(`/newsrooms/${newsroom.slug}/releases/${id}`)
    expect(body.match(/<\/?script[^>]*>/gi)).toEqual(['<script type="application/ld+json">', '</script>'])
    const article = JSON.parse(/ld\+json">(.*?)<\/script>/s.exec(body)![1]!)
    expect(article).toMatchObject({
      '@type': 'NewsArticle',
      headline: title,
      description: '"}</SCRIPT>',
      inLanguage: 'nb',
      image: ['https://files.example/a.jpg'],
      publisher: { name: 'Havneby kommune', logo: { url: 'https://files.example/logo.png' } },
    })
    expect(body).toContain('<meta property="og:image:alt" content="Ei ferje">')
  })
})

describe('search engines', () => {
  test('are told of every page in each of its languages, and of no list that a search made', async () => {
    const newsroom = await givenNewsroom(pool)
    const both = sampleRelease(newsroom, { publishedAt: ago(60) })
    await insertRelease(pool, both, ago(60))
    const one = await givenRelease(pool, newsroom)
    const withdrawn = await givenRelease(pool, newsroom, { kind: 'withdrawal' })
    const { body, headers } = await get('/sitemap.xml')
    expect(headers['content-type']).toBe('application/xml; charset=utf-8')
    const base = `https://press.example/newsrooms/${newsroom.slug}`
    for (const address of [`${base}?language=nb`, `${base}/releases/${both.id}?language=en`, `${base}/releases/${one}`])
      expect(body).toContain(`<loc>${address}</loc>`)
    expect(body).not.toContain(withdrawn)
    const robots = await get('/robots.txt')
    expect([robots.headers['content-type'], robots.body]).toEqual([
      'text/plain; charset=utf-8',
      expect.stringContaining('Sitemap: https://press.example/sitemap.xml\n'),
    ])
  })

  test('are led by an index, once there is more than one file holds, to a file for each newsroom and year', async () => {
    const newsroom = await givenNewsroom(pool)
    await pool.query(
      `insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
       select gen_random_uuid(), $1, n::text, 1, 'release', timestamptz '2026-06-01' - n * interval '1 hour', 'Europe/Oslo', now()
         from generate_series(1, 5001) n`,
      [newsroom.id],
    )
    const index = (await get('/sitemap.xml')).body
    const files = [...index.matchAll(/<loc>https:\/\/press\.example(.*?)<\/loc>/g)].map(([, path]) =>
      path!.replaceAll('&amp;', '&'),
    )
    expect(index).toContain('<sitemapindex')
    const own = files.filter((path) => path.startsWith(`/newsrooms/${newsroom.slug}/`))
    expect(own).toEqual(['2026', '2025'].map((year) => `/newsrooms/${newsroom.slug}/sitemap.xml?year=${year}`))
    const listed = await Promise.all(own.map(async (path) => (await get(path)).body.match(/\/releases\//g)!.length))
    expect(listed[0]! + listed[1]!).toBe(5001)
    expect((await get(`/newsrooms/${newsroom.slug}/sitemap.xml?year=x`)).statusCode).toBe(404)
  })
})
