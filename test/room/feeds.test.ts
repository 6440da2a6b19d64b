import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import type { Release } from '../../shared/release/release.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { hasFeedParser, parseFeeds } from '../rig/feed-parser.ts'
import { type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
const origin = 'https://press.example'
const forms = ['atom', 'rss', 'json'] as const
const types = { atom: 'application/atom+xml', rss: 'application/rss+xml', json: 'application/feed+json' }

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

const get = (path: string, headers = {}) => house.app.inject({ url: path, headers })
const feedOf = (newsroom: Newsroom, form: (typeof forms)[number], query = '') =>
  `/newsrooms/${newsroom.slug}/feed.${form}${query}`
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)
const topics = [
  { id: 'sea', names: { nb: 'Hav & <kyst>', en: 'The "sea"' } },
  { id: 'money', names: { nb: 'Penger', en: 'Money' } },
]

async function publish(newsroom: Newsroom, wishes: Partial<Release> = {}): Promise<Release> {
  const release = sampleRelease(newsroom, { publishedAt: ago(300), ...wishes })
  await insertRelease(pool, release, release.publishedAt)
  return release
}

const withTitle = (release: Release, title: string) => ({
  ...release.content,
  languages: { ...release.content.languages, nb: { ...release.content.languages.nb!, title } },
})

type JsonFeed = {
  version: string
  feed_url: string
  home_page_url: string
  language: string
  authors: { name: string }[]
  items: Record<string, unknown>[]
}
const jsonFeed = async (path: string): Promise<JsonFeed> => (await get(path)).json()
const idsIn = (body: string) => [...body.matchAll(/urn:uuid:([0-9a-f-]{36})/g)].map(([, id]) => id)

describe('a feed', () => {
  test.skipIf(!hasFeedParser)('is what other people’s programs read it as', async () => {
    const newsroom = await givenNewsroom(pool, { name: 'Havneby & omegn', topics, about: { nb: 'Om &amp; «oss»' } })
    const sample = sampleRelease(newsroom)
    const release = await publish(newsroom, {
      topics: ['sea'],
      content: {
        ...sample.content,
        languages: {
          nb: {
            title: 'Tall < 3 & «Ja»',
            lead: 'A & B < C',
            bodyHtml: '<p>Fra <a href="https://a.example/?b=1&amp;c=2">her</a></p>',
          },
        },
        documents: [{ url: 'https://files.example/plan.pdf', title: 'Plan', type: 'application/pdf', size: 1234 }],
        images: [{ url: 'https://files.example/a.jpg', alt: 'Ei "ferje"' }],
        contacts: [{ name: 'Kari', phone: '+47 22 00 00 00', email: 'kari@havneby.example' }],
      },
    })
    const [atom, rss] = parseFeeds([
      (await get(feedOf(newsroom, 'atom'))).body,
      (await get(feedOf(newsroom, 'rss'))).body,
    ])
    for (const [form, parsed] of [
      ['atom', atom!],
      ['rss', rss!],
    ] as const) {
      expect([parsed.bozo, parsed.version]).toEqual([false, form === 'atom' ? 'atom10' : 'rss20'])
      expect(parsed.feed.title).toBe('Pressemeldinger fra Havneby & omegn')
      expect(parsed.feed.links).toContainEqual(
        expect.objectContaining({ rel: 'self', href: origin + feedOf(newsroom, form) }),
      )
      const [entry] = parsed.entries
      expect(entry).toMatchObject({
        id: `urn:uuid:${release.id}`,
        link: `${origin}/newsrooms/${newsroom.slug}/releases/${release.id}?language=nb`,
      })
      expect(entry!.title.replaceAll('&lt;', '<').replaceAll('&amp;', '&')).toBe('Tall < 3 & «Ja»')
      expect(new Date(entry!.published)).toEqual(
        new Date(Math.floor(release.publishedAt.getTime() / (form === 'rss' ? 1000 : 1)) * (form === 'rss' ? 1000 : 1)),
      )
      const html = entry!.content.at(-1)!.value
      for (const part of [
        'A &amp; B &lt; C',
        'href="https://a.example/?b=1&amp;c=2"',
        'alt="Ei &quot;ferje&quot;"',
        '(PDF, ',
        'kari@havneby.example',
      ])
        expect(html).toContain(part)
      expect(entry!.tags?.[0]?.term).toBe(form === 'atom' ? 'sea' : 'Hav & <kyst>')
    }
    expect(rss!.entries[0]!.links).toContainEqual(
      expect.objectContaining({
        rel: 'enclosure',
        href: 'https://files.example/plan.pdf',
        type: 'application/pdf',
        length: '1234',
      }),
    )
    expect(atom!.entries[0]!.content[0]!.language).toBe('nb')
  })

  test('as JSON is a JSON Feed 1.1, with text where the form wants text', async () => {
    const newsroom = await givenNewsroom(pool, { topics })
    const sample = sampleRelease(newsroom)
    const release = await publish(newsroom, {
      topics: ['sea', 'gone'],
      content: {
        ...withTitle(sample, 'Tall < 3 & «Ja»'),
        documents: [{ url: 'https://files.example/plan.pdf', title: 'Plan', type: 'application/pdf', size: 1234 }],
      },
    })
    const feed = await jsonFeed(feedOf(newsroom, 'json'))
    expect(feed).toMatchObject({
      version: 'https://jsonfeed.org/version/1.1',
      feed_url: origin + feedOf(newsroom, 'json'),
      home_page_url: `${origin}/newsrooms/${newsroom.slug}?language=nb`,
      language: 'nb',
      authors: [{ name: 'Havneby kommune' }],
    })
    expect(feed.items[0]).toMatchObject({
      id: `urn:uuid:${release.id}`,
      title: 'Tall < 3 & «Ja»',
      summary: 'Brygga står klar.',
      content_html: expect.stringContaining('<p>Alle er velkomne lørdag.</p>'),
      date_published: release.publishedAt.toISOString(),
      date_modified: release.publishedAt.toISOString(),
      tags: ['Hav & <kyst>'],
      attachments: [
        { url: 'https://files.example/plan.pdf', mime_type: 'application/pdf', size_in_bytes: 1234, title: 'Plan' },
      ],
    })
    expect(feed).not.toHaveProperty('author')
  })

  test('is found from the page, and says its own address, in whatever way it was asked for', async () => {
    const newsroom = await givenNewsroom(pool, { topics })
    const page = (await get(`/newsrooms/${newsroom.slug}?language=en&topic=sea`, { accept: 'text/html' })).body
    for (const form of forms) {
      const link = new RegExp(
        `<link rel="alternate" type="${types[form].replace('+', '\\+')}" title="[^"]+" href="([^"]+)">`,
      ).exec(page)?.[1]
      expect(link).toBe(feedOf(newsroom, form, '?topic=sea'))
      const answer = await get(`${feedOf(newsroom, form)}?utm=x&topic=sea&language=en`)
      expect(answer.headers).toMatchObject({
        'content-type': `${types[form]}; charset=utf-8`,
        'cache-control': 'no-cache',
      })
      const self = `${origin}${feedOf(newsroom, form, '?language=en&topic=sea')}`
      expect(answer.body).toContain(form === 'json' ? self : self.replace('&', '&amp;'))
    }
  })

  test('can be of one language or one topic, and is then another feed with the same entries', async () => {
    const newsroom = await givenNewsroom(pool, { topics })
    const both = await publish(newsroom, { topics: ['sea'] })
    const { nb } = both.content.languages
    const norwegian = await publish(newsroom, {
      topics: ['money'],
      content: { ...both.content, languages: { nb: nb! } },
    })
    const items = async (query: string) =>
      (await jsonFeed(feedOf(newsroom, 'json', query))).items.map(({ id, title }) => [id, title])
    expect(await items('')).toEqual([
      [`urn:uuid:${norwegian.id}`, 'Ny brygge åpner'],
      [`urn:uuid:${both.id}`, 'Ny brygge åpner'],
    ])
    expect(await items('?language=en')).toEqual([[`urn:uuid:${both.id}`, 'A new quay opens']])
    expect(await items('?topic=money')).toEqual([[`urn:uuid:${norwegian.id}`, 'Ny brygge åpner']])
    const ids = await Promise.all(
      ['', '?language=en', '?topic=money'].map(
        async (query) => idsIn((await get(feedOf(newsroom, 'atom', query))).body)[0],
      ),
    )
    expect(new Set(ids).size).toBe(3)
    expect(
      await Promise.all(
        ['?language=xx', '?topic=x'].map(async (query) => (await get(feedOf(newsroom, 'atom', query))).statusCode),
      ),
    ).toEqual([404, 404])
  })

  test('a correction keeps its place and its id and moves its hour; a withdrawal takes it out', async () => {
    const newsroom = await givenNewsroom(pool)
    const kept = await publish(newsroom, { publishedAt: ago(400) })
    const release = await publish(newsroom)
    const at = ago(100)
    await addRevision(
      pool,
      { ...release, revision: 2, kind: 'correction', content: withTitle(release, 'Rettet tittel') },
      at,
    )
    const { items } = await jsonFeed(feedOf(newsroom, 'json'))
    expect(
      items.map(({ id, title, date_modified, date_published }) => [id, title, date_modified, date_published]),
    ).toEqual([
      [`urn:uuid:${release.id}`, 'Rettet tittel', at.toISOString(), release.publishedAt.toISOString()],
      [`urn:uuid:${kept.id}`, 'Ny brygge åpner', kept.publishedAt.toISOString(), kept.publishedAt.toISOString()],
    ])
    expect(items[0]!.content_html).toMatch(/^<p><strong>Rettet \d+\. \w+ \d{4}/)
    expect((await get(feedOf(newsroom, 'atom'))).body).toContain(`<updated>${at.toISOString()}</updated>`)
    await addRevision(pool, { ...release, revision: 3, kind: 'withdrawal' }, ago(50))
    for (const form of forms)
      expect((await get(feedOf(newsroom, form))).body).not.toMatch(new RegExp(`${release.id}|Rettet tittel`))
  })

  test.skipIf(!existsSync(strings))('holds any string there is and is still a feed', async () => {
    const naughty = (JSON.parse(readFileSync(strings, 'utf8')) as string[]).map((text) => text.replaceAll('\u0000', ''))
    const extra = [
      ']]>]]>]]>',
      '&amp;amp;',
      '\u0001\u0008\u000b\u001f\ufffe\uffff',
      '<![CDATA[',
      '<entry>\n    <entry>',
      '\ufdd0',
    ]
    const newsroom = await givenNewsroom(pool, { name: ']]> & <b>', about: { nb: extra.join(' ') } })
    const feeds: { form: string; body: string; texts: string[] }[] = []
    for (let from = 0; from < naughty.length + extra.length; from += 20) {
      const texts = [...extra, ...naughty].slice(from, from + 20)
      await pool.query('update releases set published_at = $1 where newsroom_id = $2', [
        new Date('2099-01-01'),
        newsroom.id,
      ])
      for (const text of texts)
        await publish(newsroom, {
          content: {
            languages: { nb: { title: text, lead: text, bodyHtml: `${text}<p>${text}` } },
            contacts: [{ name: text, role: text, phone: text, email: text }],
            images: [{ url: 'https://files.example/?a=1&b=<c>"\'', alt: text, caption: text, credit: text }],
            documents: [
              { url: text, title: text },
              { url: 'https://files.example/a', title: text, type: text, size: 5 },
            ],
            links: [
              { url: text, title: text },
              { url: 'https://files.example/', title: text },
            ],
          },
        })
      for (const form of forms) {
        const { body, statusCode } = await get(feedOf(newsroom, form))
        expect(statusCode).toBe(200)
        expect(body).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
        feeds.push({ form, body, texts })
      }
    }
    for (const { form, body, texts } of feeds)
      if (form === 'json') expect((JSON.parse(body) as JsonFeed).items).toHaveLength(texts.length)
    if (!hasFeedParser) return
    const xml = feeds.filter(({ form }) => form !== 'json')
    parseFeeds(xml.map(({ body }) => body)).forEach((parsed, index) => {
      expect([xml[index]!.form, parsed.bozo, parsed.bozo_exception]).toEqual([xml[index]!.form, false, undefined])
      expect(parsed.entries).toHaveLength(xml[index]!.texts.length)
      for (const { content } of parsed.entries)
        expect(content.at(-1)!.value.replace(/="[^"]*"/g, '')).not.toMatch(
          /<(?:script|iframe|svg|style)|<[^>]*\son\w+=/i,
        )
    })
  })
})

describe('a program that has the feed already', () => {
  test.each(forms)('is told so (%s), until something comes out, is corrected or is withdrawn', async (form) => {
    const newsroom = await givenNewsroom(pool)
    const path = feedOf(newsroom, form)
    const release = await publish(newsroom)
    const known = async (changed: () => Promise<unknown>) => {
      const { etag } = (await get(path)).headers as { etag: string }
      const again = await get(path, { 'if-none-match': `"other", ${etag}` })
      await changed()
      return [again.statusCode, again.body, (await get(path, { 'if-none-match': etag })).statusCode]
    }
    expect(await known(() => publish(newsroom))).toEqual([304, '', 200])
    expect(await known(() => addRevision(pool, { ...release, revision: 2, kind: 'correction' }, new Date()))).toEqual([
      304,
      '',
      200,
    ])
    expect(await known(() => addRevision(pool, { ...release, revision: 3, kind: 'withdrawal' }, new Date()))).toEqual([
      304,
      '',
      200,
    ])
  })

  test('by its date learns of an embargo that lifts and of a withdrawal at once', async () => {
    const newsroom = await givenNewsroom(pool)
    await pool.query('update newsrooms set changed_at = $1 where id = $2', [ago(1_000), newsroom.id])
    const path = feedOf(newsroom, 'atom')
    const old = await publish(newsroom, { publishedAt: ago(500) })
    const soon = new Date(Date.now() + 5_000)
    // It came long ago; that it did must not show.
    await insertRelease(pool, sampleRelease(newsroom, { publishedAt: soon }), ago(200))
    const { 'last-modified': since } = (await get(path)).headers as { 'last-modified': string }
    expect(since).toBe(old.publishedAt.toUTCString())
    const status = async () => (await get(path, { 'if-modified-since': since })).statusCode
    const present = house.clock.now
    expect(await status()).toBe(304)
    house.clock.now = soon
    const lifted = await get(path, { 'if-modified-since': since })
    // So young a change has no date yet: another may still be stored with an earlier one.
    expect([lifted.statusCode, lifted.headers['last-modified']]).toEqual([200, undefined])
    house.clock.now = new Date(soon.getTime() + 61_000)
    const later = (await get(path)).headers['last-modified'] as string
    expect(later).toBe(soon.toUTCString())
    await addRevision(pool, { ...old, revision: 2, kind: 'withdrawal' }, house.clock.now)
    expect((await get(path, { 'if-modified-since': later })).statusCode).toBe(200)
    expect((await get(path, { 'if-modified-since': 'nonsense' })).statusCode).toBe(200)
    house.clock.now = present
  })
})
