import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  givenRelease,
  type ReaderHouse,
  readerHouse,
} from '../rig/reader-house.ts'

const name = 'Interkommunalt vann-, avløps- og renovasjonssamarbeid for Nordre Sunnmøre, Romsdal og Ytre Nordmøre IKS'
const word = 'Avløpsrensedistriktssamarbeidskommunestyrerepresentantskapsmedlemmer'
const text = {
  title: `${word} møtes: ${name} vedtar budsjett for de neste fire årene etter et sjeldent langt møte`,
  lead: `${word}. `.repeat(3),
  bodyHtml: `<h2>${word}</h2><p>https://example.com/${'a'.repeat(120)}</p><table><tr><th>${word}</th><td>${word}</td></tr></table>`,
}
const address = `${'navn'.repeat(12)}@${'langt'.repeat(8)}.example.org`

describe.skipIf(!hasChromium)('names and words as long as administration makes them', () => {
  let database: TestDatabase
  let house: ReaderHouse

  beforeAll(async () => {
    database = await openTestDatabase()
    house = await readerHouse(database.pool, { publicUrl: 'http://127.0.0.1' })
  })
  afterAll(async () => {
    await house.app.close()
    await database.close()
  })

  test('no page needs sideways scrolling, on a phone or on a desk', async () => {
    const { pool } = database
    const newsroom = await givenNewsroom(pool, {
      ...{ name, about: { nb: `${word} er med.` }, languages: ['nb', 'nn', 'se', 'en', 'sv', 'da', 'fi'] },
      topics: [name, word].map((nb, place) => ({ id: `t${place}`, names: { nb } })),
    })
    const content = {
      languages: { nb: text },
      contacts: [{ name: word, role: name, email: address, phone: '+47 22 00 00 00' }],
      documents: [{ url: 'https://files.example/x.pdf', title: `${word}.pdf`, type: 'application/pdf', size: 12e9 }],
      links: [{ url: 'https://files.example/', title: word }],
    }
    const release = await givenRelease(pool, newsroom, { topics: ['t0', 't1'], content })
    await givenRelease(pool, newsroom, { content, publishedAt: new Date(Date.now() - 86_400_000) })
    const { id } = await givenFollower(house, newsroom, address)
    const token = sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 1n, 0n])
    await follow(house, newsroom, 'asked@example.org', { topics: 't1' })
    const page = `/newsrooms/${newsroom.slug}`
    const places = [
      ...['/', page, `${page}?topic=t1&q=${'a'.repeat(150)}`, `${page}/releases/${release}`, `${page}/leave`],
      ...[`/preferences/${token}`, `/unsubscribe/${token}`],
      `/confirm/${await confirmToken(house, newsroom, 'asked@example.org')}`,
    ]

    const base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    const browser = await openChromium()
    const reader = await browser.newPage({ locale: 'nb-NO' })
    for (const place of places) {
      await reader.goto(base + place)
      for (const width of [320, 1280]) {
        await reader.setViewportSize({ width, height: 900 })
        expect.soft(await reader.evaluate('document.documentElement.scrollWidth'), place).toBe(width)
      }
    }
    await browser.close()
  })
})
