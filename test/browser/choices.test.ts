import { join } from 'node:path'
import { HtmlValidate, type RuleConfig } from 'html-validate'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openExpiring, sealExpiring } from '../../shared/links/expiring-link.ts'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { axeFaults, axeFaultsInEveryLook, type Look } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenFollower, postForm, type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'

/** Set to a folder to keep a picture of every page in it. */
const pictures = process.env.READER_PICTURES

describe.skipIf(!hasChromium)('the pages of a reader’s choices, in a browser without scripts', () => {
  let database: TestDatabase
  let pool: Pool
  let house: ReaderHouse
  let newsroom: Newsroom
  let base: string
  let context: BrowserContext
  let browser: Chromium
  /** Where one page after the other is looked at, and what it complains of. */
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    database = await openTestDatabase()
    pool = database.pool
    house = await readerHouse(pool, { signUpsPerHour: 1_000, publicUrl: 'http://127.0.0.1' })
    base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    newsroom = await givenNewsroom(pool, {
      ...{ slug: 'havneby', languages: ['nb', 'nn', 'se', 'en'], accent: '#0a6e5c' },
      topics: [
        { id: 'harbour', names: { nb: 'Havn og ferje', nn: 'Hamn og ferje', se: 'Hámman', en: 'Harbour and ferry' } },
        { id: 'schools', names: { nb: 'Skole', nn: 'Skule', se: 'Skuvla', en: 'Schools' } },
        { id: 'health', names: { nb: 'Helse', nn: 'Helse', se: 'Dearvvašvuohta', en: 'Health' } },
      ],
    })
    browser = await openChromium()
    context = await browser.newContext({ locale: 'nb-NO', javaScriptEnabled: true })
    page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) faults.push(message.text())
    })
  })
  afterAll(async () => {
    await browser?.close()
    await house.app.close()
    await database.close()
  })

  const tokenOf = (id: string) => sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 1n, 0n])
  const follower = async (email: string) => (await givenFollower(house, newsroom, email)).id
  const preferences = async (email: string) => `/preferences/${tokenOf(await follower(email))}`
  const fields = { act: 'save', frequency: 'weekly', topics: 'schools', language: 'nb', pause: '', address: '' }

  async function change(email: string, state: 'asked' | 'done'): Promise<string> {
    const link = await preferences(email)
    await postForm(house, link, { ...fields, address: `new-${email}` })
    const { rows } = await pool.query<{ id: string }>('select max(id) as id from address_changes')
    const { id } = rows[0]!
    const door = `/new-address/${sealExpiring(house.deps.links, 'new-address', id, house.clock.now)}`
    if (state === 'asked') return door
    await postForm(house, door, {})
    return `/old-address/${sealExpiring(house.deps.links, 'old-address', id, house.clock.now)}`
  }
  async function myData(email: string, purpose: 'my-data' | 'erase'): Promise<string> {
    const { id } = await subscriptionOf(pool, newsroom, email)
    const { rows } = await pool.query<{ reader: string }>(
      'select subscriber_id as reader from subscriptions where id = $1',
      [id],
    )
    return `/${purpose}/${sealExpiring(house.deps.links, purpose, rows[0]!.reader, house.clock.now)}`
  }
  async function lived(email: string): Promise<void> {
    const link = await preferences(email)
    await postForm(house, link, { ...fields, pause: new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10) })
    const { mailingId } = await givenMailing(pool, newsroom)
    const { id } = await subscriptionOf(pool, newsroom, email)
    await pool.query(
      `insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at) values ($1, $2, 'sent', 1, 1, now())`,
      [mailingId, id],
    )
  }

  /** Every page there is, each once: its name, and how a reader comes to it. */
  const places: readonly (readonly [string, () => Promise<string>])[] = [
    ['preferences-nb', () => preferences('nb@example.org')],
    ['preferences-en', async () => `${await preferences('en@example.org')}?language=en`],
    ['preferences-fi', async () => `${await preferences('fi@example.org')}?language=fi`],
    [
      'preferences-ended',
      async () => {
        const link = await preferences('ended@example.org')
        await postForm(house, link, { act: 'leave' })
        return link
      },
    ],
    ['ask-preferences', async () => '/newsrooms/havneby/preferences'],
    ['ask-leave', async () => '/newsrooms/havneby/leave?language=en'],
    ['ask-my-data', async () => '/newsrooms/havneby/my-data?language=se'],
    ['new-address', () => change('moving@example.org', 'asked')],
    ['old-address', () => change('moved@example.org', 'done')],
    ['over', async () => `/new-address/${sealExpiring(house.deps.links, 'new-address', '999', house.clock.now)}`],
    [
      'my-data-nb',
      async () => {
        await lived('data@example.org')
        return myData('data@example.org', 'my-data')
      },
    ],
    ['my-data-en', async () => `${await myData('data@example.org', 'my-data')}?language=en`],
    ['erase', async () => `${await myData('data@example.org', 'erase')}?language=nb`],
    ['unsubscribe', async () => `/unsubscribe/${tokenOf(await follower('leaving@example.org'))}`],
  ]

  const validator = new HtmlValidate({ extends: ['html-validate:recommended'], rules: rulesWeChose })

  test.each(places)('%s is valid, accessible and whole at every width, light and dark', async (name, find) => {
    const url = base + (await find())
    const html = await (await fetch(url, { headers: { accept: 'text/html' } })).text()
    expect(html).not.toContain('<script')
    await expectValid(html)
    faults.length = 0
    await page.goto(url)
    const look = async ({ width, scheme }: Look) => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      expect(await smallTargets(page)).toEqual([])
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true })
    }
    expect(await axeFaultsInEveryLook(page, [320, 600, 1200], { look })).toEqual([])
    expect(faults).toEqual([])
  })

  async function expectValid(html: string): Promise<void> {
    const report = await validator.validateString(html)
    expect(
      report.results
        .flatMap((result) => result.messages)
        .map(({ ruleId, message, line }) => `${line} ${ruleId}: ${message}`),
    ).toEqual([])
  }

  test('with the keyboard alone and scripts off, a reader changes what comes, is told of a mistake, and stops', async () => {
    const link = await preferences('keys@example.org')
    const plain = await browser.newContext({ locale: 'nb-NO', javaScriptEnabled: false })
    const page = await plain.newPage()
    // With scripts off nothing in the page can be asked, so what has the focus is asked of the accessibility tree.
    await page.goto(base + link)
    await tabTo(page, '[value=immediate]')
    await page.keyboard.press('ArrowDown')
    await tabTo(page, '[value=schools]')
    await page.keyboard.press('Space')
    await tabTo(page, '#address')
    await page.keyboard.type('not an address')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    expect(await page.title()).toMatch(/^Feil: /)
    await expect.poll(() => page.locator('#address:focus').count()).toBe(1)
    if (pictures) await page.screenshot({ path: join(pictures, 'preferences-fault.png'), fullPage: true })
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Delete')
    await page.keyboard.press('Enter')
    await page.getByRole('status').waitFor()
    expect(await page.title()).toMatch(/^Lagret: /)
    if (pictures) await page.screenshot({ path: join(pictures, 'preferences-saved.png'), fullPage: true })
    const { rows } = await pool.query('select frequency, topics from subscriptions where id = $1', [
      (await subscriptionOf(pool, newsroom, 'keys@example.org')).id,
    ])
    expect(rows).toEqual([{ frequency: 'daily', topics: ['schools'] }])
    await tabTo(page, '[value=leave]')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Du er meldt av' }).waitFor()
    expect((await subscriptionOf(pool, newsroom, 'keys@example.org')).state).toBe('ended')
    await plain.close()
  })

  test('the answers to a form are accessible as well: a fault, a save, an erasure that is not sure', async () => {
    const page = await context.newPage()
    await page.goto(`${base}${await preferences('answers@example.org')}?language=en`)
    await page.fill('#address', 'no')
    await page.click('[value=save]')
    await page.getByRole('alert').waitFor()
    expect(await axeFaults(page)).toEqual([])
    await page.fill('#address', 'new@example.org')
    await page.fill('#pause', new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 10))
    await page.click('[value=save]')
    await page.getByRole('status').waitFor()
    expect(await axeFaults(page)).toEqual([])
    if (pictures) await page.screenshot({ path: join(pictures, 'preferences-asked.png'), fullPage: true })
    await page.goto(`${base}${await myData('answers@example.org', 'my-data')}?language=en`)
    await page.getByRole('link', { name: 'Erase everything about me' }).click()
    await page.getByRole('button', { name: 'Erase everything' }).click()
    await page.getByRole('alert').waitFor()
    expect(await axeFaults(page)).toEqual([])
    if (pictures) await page.screenshot({ path: join(pictures, 'erase-fault.png'), fullPage: true })
    const link = await preferences('markup@example.org')
    for (const wrong of [{ address: 'no' }, { frequency: 'hourly', topics: 'none', language: 'sv', pause: 'soon' }, {}])
      await expectValid((await postForm(house, link, { ...fields, ...wrong })).body)
    await expectValid((await postForm(house, '/newsrooms/havneby/preferences', { email: 'no' })).body)
    await expectValid((await postForm(house, await myData('answers@example.org', 'erase'), {})).body)
    await page.check('#sure')
    await page.getByRole('button', { name: 'Erase everything' }).click()
    await page.getByRole('heading', { name: 'Everything has been erased' }).waitFor()
    expect(await axeFaults(page)).toEqual([])
    await page.close()
  })

  test('a scanner that opens every link of the page, with scripts on, changes nothing', async () => {
    const link = await preferences('scanned@example.org')
    const page = await context.newPage()
    await page.goto(base + link, { waitUntil: 'networkidle' })
    const hrefs = await page.evaluate<string[]>(`[...document.querySelectorAll('a[href]')].map((a) => a.href)`)
    const ours = hrefs.filter((href) => href.startsWith(base))
    expect(ours.length).toBeGreaterThan(5)
    for (const href of ours) await page.goto(href)
    expect((await subscriptionOf(pool, newsroom, 'scanned@example.org')).state).toBe('active')
    expect(openExpiring(house.deps.links, 'erase', link.split('/').at(-1)!, house.clock.now)).toBeNull()
    await page.close()
  })
})

// Boxes to tick share a name, as HTML means them to.
const rulesWeChose: RuleConfig = {
  'long-title': 'off',
  'form-dup-name': ['error', { shared: ['radio', 'checkbox', 'submit', 'button', 'reset'] }],
}

/** WCAG 2.5.8: 24 by 24 px, but for links in a sentence; a box to tick may be pressed on its words. */
const smallTargets = (page: Page) =>
  page.evaluate(`[...document.querySelectorAll('a, button, input:not([type=hidden]), select, .option')]
    .filter((target) => !target.classList.contains('skip'))
    .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 24 || box.width < 24))
    .map(([html]) => html)`)

async function tabTo(page: Page, target: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await page.locator(`${target}:focus`).count()) === 1) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`The Tab key never reached “${target}”`)
}
