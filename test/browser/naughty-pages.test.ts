import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
const own = [
  '</script><script>alert(1)</script>',
  '--><img src=x onerror=alert(1)>',
  '"><svg/onload=alert(1)>',
  '<base href="//evil.example/"><form action="//evil.example/"><button autofocus>',
  '<meta http-equiv="refresh" content="0;url=//evil.example/">',
  '<style>@import "//evil.example/"</style><link rel=stylesheet href=//evil.example/>',
  "';alert(1)//",
  '{{constructor.constructor("alert(1)")()}}<%= alert(1) %>',
]

describe.skipIf(!hasChromium || !existsSync(strings))('whatever a publisher’s texts hold', () => {
  let database: TestDatabase
  let pool: Pool
  let house: ReaderHouse
  let browser: Chromium
  let page: Page
  let base: string
  const faults: string[] = []

  beforeAll(async () => {
    database = await openTestDatabase()
    pool = database.pool
    house = await readerHouse(pool, { publicUrl: 'http://127.0.0.1' })
    base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    browser = await openChromium()
    page = await browser.newPage()
    page.on('dialog', async (dialog) => {
      faults.push(`dialog: ${dialog.message()}`)
      await dialog.dismiss()
    })
    await page.exposeFunction('told', (what: string) => faults.push(what))
    // Before any of the page: what the policy stops is told as well, because nothing should come so far.
    await page.addInitScript(
      `addEventListener('securitypolicyviolation', (e) => told('policy: ' + e.violatedDirective + ' ' + e.blockedURI))`,
    )
    await page.route(/^https?:\/\/(?!127\.0\.0\.1)/, (route) => {
      // A publisher's picture is fetched from the publisher; nothing else is fetched from anybody.
      if (route.request().resourceType() !== 'image') faults.push(`request: ${route.request().url()}`)
      return route.abort()
    })
  })
  afterAll(async () => {
    await browser?.close()
    await house?.app.close()
    await database?.close()
  })

  test('no page runs it, breaks its policy, asks a stranger or loses its shape', async () => {
    const naughty = [...own, ...(JSON.parse(readFileSync(strings, 'utf8')) as string[])].map((text) =>
      text.replaceAll('\u0000', ''),
    )
    for (let from = 0; from < naughty.length; from += 20) {
      const texts = naughty.slice(from, from + 20)
      const [newsroom, last] = await givenNaughty(texts)
      const word = encodeURIComponent(texts[0]!.toWellFormed())
      for (const path of [from === 0 ? `?language=nb&q=${word}` : '?language=nb', `/releases/${last}`]) {
        await page.goto(`${base}/newsrooms/${newsroom.slug}${path}`)
        expect(await page.evaluate(shape), path).toEqual([0, 1, 1, 1, base])
      }
    }
    expect(faults).toEqual([])
  })

  /** Running scripts, mains, feet, forms that leave the page, and where it believes to be. */
  const shape = `[
    document.querySelectorAll('script:not([type="application/ld+json"]), iframe, object, embed, base, svg, style').length
      - document.querySelectorAll('script[src^="/assets/"]').length,
    document.querySelectorAll('main').length,
    document.querySelectorAll('footer').length,
    document.querySelectorAll('h1').length,
    new URL(document.baseURI).origin,
  ]`

  async function givenNaughty(texts: readonly string[]): Promise<[Newsroom, string]> {
    const first = texts[0]!
    const newsroom = await givenNewsroom(pool, {
      ...{ name: first, legalName: first, postalAddress: first, website: first, logoUrl: first, about: { nb: first } },
      topics: texts.map((text, index) => ({ id: `t${index}`, names: { nb: text, en: text } })),
    })
    let last = ''
    for (const [index, text] of texts.entries()) {
      const release = sampleRelease(newsroom, {
        publishedAt: new Date(Date.now() - (index + 1) * 60_000),
        topics: texts.map((_, topic) => `t${topic}`),
        content: {
          languages: { nb: { title: text, lead: text, bodyHtml: texts.join('<p>') } },
          contacts: texts.map((one) => ({ name: one, role: one, phone: one, email: one })),
          images: texts.slice(0, 3).map((one) => ({
            url: index % 2 ? one : `https://files.example/${one}`,
            alt: one,
            caption: one,
            credit: one,
          })),
          documents: texts.map((one) => ({ url: one, title: one, type: one, size: 5 })),
          links: texts.map((one) => ({ url: one, title: one })),
        },
      })
      await insertRelease(pool, release, release.publishedAt)
      if (index === 0) await addRevision(pool, { ...release, revision: 2, kind: 'correction' }, new Date())
      last = release.id
    }
    return [newsroom, last]
  }
})
