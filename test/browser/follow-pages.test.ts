import { join } from 'node:path'
import { HtmlValidate } from 'html-validate'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { axeFaultsInEveryLook, type Look } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  type ReaderHouse,
  readerHouse,
  subscriptionOf,
} from '../rig/reader-house.ts'

/** Set to a folder to keep a picture of every page in it. */
const pictures = process.env.READER_PICTURES
const hour = 3_600_000

describe.skipIf(!hasChromium)('the pages of following, with all there is to wish for', () => {
  let database: TestDatabase
  let house: ReaderHouse
  let newsroom: Newsroom
  let base: string
  let browser: Chromium
  let context: BrowserContext
  /** Where one page after the other is looked at, and what it was last given. */
  let page: Page
  let html = ''

  beforeAll(async () => {
    database = await openTestDatabase()
    house = await readerHouse(database.pool, { publicUrl: 'http://127.0.0.1' })
    base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    newsroom = await givenNewsroom(database.pool, {
      languages: ['nb', 'nn', 'se', 'en'],
      topics: ['Klima og energi', 'Samferdsel, havn og kystforvaltning i hele fylket', 'Skole'].map((name, n) => ({
        id: `topic-${n}`,
        names: { nb: name, nn: name, se: name, en: name },
      })),
    })
    browser = await openChromium()
    context = await browser.newContext({ locale: 'nb-NO' })
    page = await context.newPage()
    page.on('response', async (response) => {
      if (response.request().isNavigationRequest()) html = await response.text()
    })
  })
  afterAll(async () => {
    await browser?.close()
    await house.app.close()
    await database.close()
  })

  const asked = async (email: string, more = {}) => {
    await follow(house, newsroom, email, { frequency: 'daily', topics: 'topic-1', ...more })
    return confirmToken(house, newsroom, email)
  }
  const form = () => `/newsrooms/${newsroom.slug}/subscriptions`
  /** What is not ours to press at once: the house's clock goes on. */
  const later = (milliseconds: number) => {
    house.clock.now = new Date(house.clock.now.getTime() + milliseconds)
  }
  const fillIn = async (page: Page, email: string) => {
    later(5_000)
    await page.locator('#email').fill(email)
    await page.locator('button[type=submit]').click()
  }

  /** Each page, and how a reader comes to it. */
  const places: readonly (readonly [string, (page: Page) => Promise<unknown>])[] = [
    ['follow-open', (page) => page.goto(`${base}${form()}?language=nb`)],
    ['follow-folded', (page) => page.goto(`${base}/newsrooms/${newsroom.slug}?language=en`)],
    [
      'follow-fault',
      async (page) => {
        await page.goto(`${base}${form()}?language=nb`)
        await fillIn(page, 'kari@@example.org')
      },
    ],
    [
      'follow-again',
      async (page) => {
        await page.goto(`${base}${form()}?language=en`)
        await page.locator('#email').fill('soon@example.org')
        await page.locator('button[type=submit]').click()
        await page.getByRole('heading', { name: 'Press the button once more' }).waitFor()
      },
    ],
    [
      'asked',
      async (page) => {
        await page.goto(`${base}${form()}?language=nn`)
        await fillIn(page, 'asked@example.org')
        await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
      },
    ],
    ['confirm-wishes', async (page) => page.goto(`${base}/confirm/${await asked('a@example.org')}?language=nb`)],
    [
      'confirmed-wishes',
      async (page) => {
        await page.goto(`${base}/confirm/${await asked('b@example.org', { frequency: 'weekly' })}?language=en`)
        await page.locator('button[type=submit]').click()
        await page.getByText('published in a week comes in one email').waitFor()
        const next = page.getByRole('link', { name: 'Change topics, language or how often' })
        expect((await fetch(new URL((await next.getAttribute('href'))!, base))).status).toBe(200)
      },
    ],
    [
      'renewed',
      async (page) => {
        const token = await asked('c@example.org')
        later(73 * hour)
        await page.goto(`${base}/confirm/${token}?language=se`)
        await page.locator('button[type=submit]').click()
        await page.getByText('Mii leat sádden ođđa liŋkka').waitFor()
      },
    ],
  ]
  const validator = new HtmlValidate({
    extends: ['html-validate:recommended'],
    rules: {
      'long-title': 'off',
      // Boxes that are ticked together share their name.
      'form-dup-name': ['error', { shared: ['radio', 'checkbox', 'button', 'submit', 'reset'] }],
    },
  })

  test.each(places)('%s is valid, accessible and whole at every width, light and dark', async (name, come) => {
    html = ''
    await come(page)
    await expect.poll(() => html).not.toBe('')
    const report = await validator.validateString(html)
    expect(
      report.results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${ruleId}: ${message}`)),
    ).toEqual([])
    // Whatever a form asks, nothing is agreed to that the reader did not tick.
    expect(await page.locator('input[type=checkbox]:checked').count()).toBe(0)
    const look = async ({ width, scheme }: Look) => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true })
    }
    expect(await axeFaultsInEveryLook(page, [320, 600, 1200], { look })).toEqual([])
  })

  test('a scanner that opens every page with scripts on, and waits, changes not one row', async () => {
    const open = await asked('scanned@example.org')
    await givenFollower(house, newsroom, 'followed@example.org')
    const confirmed = await confirmToken(house, newsroom, 'followed@example.org')
    const old = await asked('old@example.org')
    const urls = [
      form(),
      `/newsrooms/${newsroom.slug}`,
      `/newsrooms/${newsroom.slug}/follow-box`,
      `/newsrooms/${newsroom.slug}/challenge`,
    ]
    for (const token of [open, confirmed, old]) urls.push(`/confirm/${token}`, `/not-me/${token}`)
    const before = await everyRow(database.pool)
    later(73 * hour)
    await Promise.all(
      urls.map(async (url) => {
        const tab = await context.newPage()
        await tab.goto(base + url, { waitUntil: 'networkidle' })
        await tab.close()
      }),
    )
    expect(await everyRow(database.pool)).toBe(before)
    expect((await subscriptionOf(database.pool, newsroom, 'scanned@example.org')).state).toBe('pending')
  })
})
