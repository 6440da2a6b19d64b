import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HtmlValidate } from 'html-validate'
import type { BrowserContext, Cookie, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeBeat } from '../../shared/worker/worker.sql.ts'
import { givenPace } from '../given/pace.ts'
import { axeFaults, axeFaultsInEveryLook } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Desk, deskPassword, openDesk } from '../rig/ops-desk.ts'
import { givenAttempt, givenChunk, givenMailing, givenNewsroom, givenReader } from '../rig/ops-given.ts'
import { until } from '../rig/until.ts'

const skipped = !hasChromium
const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
// The corpus lies beside the checkout; a few of its kind stand in where it does not.
const naughtyStrings: string[] = existsSync(corpus)
  ? JSON.parse(readFileSync(corpus, 'utf8'))
  : [
      '<script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      "javascript:alert('1')",
      '\u202eabc',
      '{{7*7}}',
      '<%= 7*7 %>',
    ]

let postgres: TestDatabase
let desk: Desk
let browser: Chromium
let base: string
let ids: { sending: string; paused: string; failed: string; tried: string; naughty: string[] }

beforeAll(async () => {
  if (skipped) return
  postgres = await openTestDatabase()
  ids = await givenRows()
  desk = await openDesk(postgres.pool)
  base = await desk.app.listen({ host: '127.0.0.1', port: 0 })
  browser = await openChromium()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await desk?.app.close()
  await postgres?.close()
})

const pages = () => [
  '/',
  '/?newsroom=nobody',
  `/mailings/${ids.sending}`,
  `/mailings/${ids.paused}`,
  `/mailings/${ids.failed}`,
  `/mailings/${ids.tried}`,
  `/mailings/${ids.naughty[1]}`,
  `/mailings/${ids.sending}/cancel`,
  '/machine',
  '/nowhere',
]

describe.skipIf(skipped)('the desk in a browser', () => {
  test('asks for the password by name, tells a wrong one next to the field, and leads to the page that was asked for', async () => {
    const { page, complaints } = await visit({ width: 1280, height: 900 })
    await page.goto(`${base}/mailings/${ids.sending}`)
    expect(await axeFaults(page)).toEqual([])
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#fault')
    expect(await page.getByLabel('Password').getAttribute('aria-describedby')).toBe('fault')
    expect(await axeFaults(page)).toEqual([])
    await page.keyboard.type(deskPassword)
    await page.keyboard.press('Enter')
    await page.waitForSelector('.cards')
    expect(page.url()).toBe(`${base}/mailings/${ids.sending}`)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('is accessible and needs no sideways scrolling, on a phone and on a wide screen, light and dark', async () => {
    const { page, complaints } = await operator({ width: 320, height: 900 })
    for (const path of pages()) {
      await page.goto(base + path)
      const look = async () => {
        const wider = await page.evaluate<number>(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        )
        expect([path, wider]).toEqual([path, 0])
      }
      expect([path, await axeFaultsInEveryLook(page, [320, 1600], { look })]).toEqual([path, []])
    }
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('is valid HTML on every page', async () => {
    const validate = new HtmlValidate({
      extends: ['html-validate:recommended', 'html-validate:a11y', 'html-validate:document'],
      rules: { 'require-sri': ['error', { target: 'crossorigin' }] },
    })
    const { page } = await operator({ width: 1280, height: 900 })
    for (const path of [...pages(), '/login']) {
      const html = await (await page.request.get(base + path, { headers: { accept: 'text/html' } })).text()
      const report = await validate.validateString(html)
      const faults = report.results.flatMap(({ messages }) =>
        messages.map(({ ruleId, message, line }) => `${path}:${line} ${ruleId}: ${message}`),
      )
      expect(faults).toEqual([])
    }
    await page.context().close()
  })

  test('renews its figures by itself, stops when asked, and shows the new buttons when the state changes', async () => {
    const { page } = await operator({ width: 1280, height: 900 })
    await page.clock.install()
    await page.goto(`${base}/mailings/${ids.sending}`)
    const sent = page.locator('[data-figure=sent]')
    expect(await sent.textContent()).toBe('480')
    await postgres.pool.query('update chunks set sent = 490 where mailing_id = $1 and n = 0', [ids.sending])
    await page.clock.fastForward(2_000)
    await sent.filter({ hasText: '490' }).waitFor()
    expect(await page.locator('progress').getAttribute('value')).toBe('499')
    // Who comes back to the page again and again in a moment has it ask once; and at its own hour, which may be now.
    const asked: string[] = []
    page.on('request', (request) => request.resourceType() === 'fetch' && asked.push(request.url()))
    const answered = page.waitForResponse((answer) => answer.request().resourceType() === 'fetch')
    await page.evaluate(`for (let n = 0; n < 3; n += 1) document.dispatchEvent(new Event('visibilitychange'))`)
    await (await answered).finished()
    expect(asked.length).toBeLessThan(3)
    await page.getByRole('button', { name: 'Stop renewing' }).click()
    await page.getByText('These figures stand still.').waitFor()
    await page.getByRole('button', { name: 'Renew again' }).click()
    await postgres.pool.query('update mailings set paused = true where id = $1', [ids.sending])
    // The two seconds begin when the figures that were asked for at once have come.
    await until('the buttons are others', async () => {
      await page.clock.fastForward(2_000)
      return page.getByRole('button', { name: 'Resume' }).isVisible()
    })
    await postgres.pool.query('update mailings set paused = false where id = $1', [ids.sending])
    await page.context().close()
  })

  test('that told of a button which came too late is renewed without pressing it again', async () => {
    const { page } = await operator({ width: 1280, height: 900 })
    await page.goto(`${base}/mailings/${ids.sending}`)
    desk.refuse = true
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Nothing was changed').waitFor()
    desk.refuse = false
    desk.acted.length = 0
    await postgres.pool.query('update mailings set paused = true where id = $1', [ids.sending])
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    expect([page.url(), desk.acted]).toEqual([`${base}/mailings/${ids.sending}`, []])
    await postgres.pool.query('update mailings set paused = false where id = $1', [ids.sending])
    await page.context().close()
  })

  test('goes where a link leads, though a state changes while that page is on its way', async () => {
    const { page } = await operator({ width: 1280, height: 900 })
    const wanted = `/mailings/${ids.failed}`
    await page.goto(base)
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route(`${base}${wanted}`, async (route) => {
      await released
      await route.continue()
    })
    const request = page.waitForRequest(`${base}${wanted}`)
    // It comes to its end with the navigation only.
    const pressed = page.locator(`main h2 a[href="${wanted}"]`).press('Enter')
    const asked = await request
    await postgres.pool.query('update mailings set paused = true where id = $1', [ids.sending])
    const figures = () => page.waitForResponse((answer) => answer.request().resourceType() === 'fetch')
    await figures()
    // They are renewed as before, or the list is on its way once more.
    await Promise.race([figures(), page.waitForRequest((request) => request.isNavigationRequest())])
    release()
    expect((await asked.response())?.status()).toBe(200)
    await pressed
    expect(page.url()).toBe(`${base}${wanted}`)
    await postgres.pool.query('update mailings set paused = false where id = $1', [ids.sending])
    await page.context().close()
  })

  test('works by keyboard alone and without JavaScript', async () => {
    const { page } = await operator({ width: 1280, height: 900 }, 'light', false)
    await page.goto(`${base}/mailings/${ids.paused}`)
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').textContent()).toBe('Skip to the content')
    desk.acted.length = 0
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab')
      if ((await page.locator(':focus').textContent())?.trim() === 'Resume') break
    }
    await page.keyboard.press('Enter')
    await page.getByText('Resumed.').waitFor()
    expect(desk.acted).toEqual([`resume ${ids.paused}`])
    await page.getByRole('link', { name: 'Cancel…' }).click()
    await page.getByRole('button', { name: 'Cancel the mailing' }).click()
    await page.getByText('Cancelled. What was not sent').waitFor()
    await page.context().close()
  })

  test('shows hostile titles and replies as text: no script runs, nothing is loaded from elsewhere', async () => {
    const { page, complaints } = await operator({ width: 1280, height: 900 })
    const foreign: string[] = []
    page.on('request', (request) => request.url().startsWith(base) || foreign.push(request.url()))
    for (const path of ['/', '/machine', ...ids.naughty.map((id) => `/mailings/${id}`)]) {
      await page.goto(base + path)
      expect([path, await page.locator(strangers).count()]).toEqual([path, 0])
      expect(await page.locator('script:not([src="/live-figures.js"])').count()).toBe(0)
    }
    expect(foreign).toEqual([])
    expect(complaints).toEqual([])
    await page.context().close()
  })
})

/** What no text may turn into. */
const strangers =
  'main :is(iframe, object, embed, svg, img, style, link, meta, base, video, audio, [onerror], [onload], [style])'

async function givenRows(): Promise<typeof ids> {
  const { pool } = postgres
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000)
  const newsroomId = await givenNewsroom(pool, 'lakselv', 'Lakselv kommune')
  const naughty: string[] = []
  // PostgreSQL keeps no NUL; a publisher's payload with one is refused before it gets here.
  const strings = naughtyStrings.map((text) => text.replaceAll('\u0000', ''))
  for (let from = 0; from < strings.length; from += 60) {
    const some = strings.slice(from, from + 60)
    const id = await givenMailing(pool, { newsroomId, title: some.join(' '), state: 'sending', at: ago(60) })
    naughty.push(id)
    for (const [index, detail] of some.entries()) {
      const subscriptionId = await givenReader(pool, newsroomId, `reader-${from + index}@example.com`)
      await givenAttempt(pool, {
        mailingId: id,
        subscriptionId,
        verdict: index === 0 ? detail || 'x' : 'bounced',
        at: ago(5),
        detail,
        phase: 'rcpt',
        code: 550,
      })
    }
    await pool.query(`insert into renderings values ($1, 'nb', $2, '', '[]')`, [id, some.join(' ')])
  }
  const paused = await givenMailing(pool, {
    newsroomId,
    title: 'Veien er stengt',
    kind: 'correction',
    state: 'sending',
    paused: true,
    at: ago(60),
  })
  const inTrouble = async (title: string, state: string, nextAt: Date | null, trouble: string) => {
    const id = await givenMailing(pool, { newsroomId, title, state, at: ago(400) })
    await pool.query(
      'update mailings set trouble = $2, trouble_since = $3, tries = 5, next_try_at = $4, started_at = null where id = $1',
      [id, trouble, ago(380), nextAt],
    )
    return id
  }
  const failed = await inTrouble(
    'Kirka blir malt',
    'failed',
    null,
    "Cannot read properties of undefined (reading 'map')",
  )
  // As long as a reason can be, and without a place to break it.
  const tried = await inTrouble(
    'Torget stenges',
    'accepted',
    ago(-400),
    `${naughtyStrings.join(' ').slice(0, 200)}${'m'.repeat(100)}`,
  )
  const sending = await givenMailing(pool, { newsroomId, title: 'Ny bru over sundet', state: 'sending', at: ago(300) })
  const reader = await givenReader(pool, newsroomId, 'ola.nordmann@example.com')
  await givenAttempt(pool, {
    mailingId: sending,
    subscriptionId: reader,
    verdict: 'deferred',
    at: ago(9),
    detail: 'Greylisted',
    phase: 'rcpt',
    code: 451,
    enhanced: '4.7.1',
  })
  await givenChunk(pool, {
    mailingId: sending,
    n: 0,
    size: 500,
    state: 'open',
    nextAt: ago(90),
    leaseUntil: ago(80),
    sent: 480,
    bounced: 8,
    inDoubt: 1,
  })
  const [rate, at] = [1, Date.now()]
  for (const [index, detail] of strings.entries())
    if (index % 25 === 1)
      await givenPace(pool, `d${index}.example`, {
        rate,
        heldUntil: at + 120_000,
        holds: 2,
        reason: 'blocked',
        detail,
        changedAt: at,
      })
  await writeBeat(pool, { ...worker, id: randomUUID(), trouble: null })
  await writeBeat(pool, {
    ...worker,
    id: randomUUID(),
    trouble: { detail: strings.slice(0, 30).join(' ') || 'x', sinceMs: 90_000, triedMs: 2_000, restMs: 8_000 },
  })
  const measured = 'A letter takes 2400 ms; elsewhere 40 ms.'
  await givenPace(pool, 'slow.example', {
    rate: 0.83,
    heldUntil: 0,
    holds: 0,
    reason: 'slow',
    detail: measured,
    changedAt: at - 60_000,
  })
  await givenMailing(pool, { newsroomId, title: 'Budsjett', state: 'embargoed', at: ago(-3600) })
  await givenMailing(pool, { newsroomId, kind: 'digest', state: 'done', at: ago(900), doneAt: ago(890) })
  return { sending, paused, failed, tried, naughty }
}

const worker = { host: 'mail-1.example', pid: 4711, upMs: 600_000, acceptedLately: 12_345, keepsJournal: true }

type Size = { width: number; height: number }
type Visit = { page: Page; complaints: string[] }

/** `complaints`: dialogs, errors and refusals of the content policy; failed logins are answers, not complaints. */
async function visit(
  viewport: Size,
  colorScheme: 'light' | 'dark' = 'light',
  javaScriptEnabled = true,
): Promise<Visit> {
  const context: BrowserContext = await browser.newContext({ viewport, colorScheme, javaScriptEnabled })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (line) => {
    if (line.type() === 'error' && !/status of (401|404)/.test(line.text())) complaints.push(line.text())
  })
  return { page, complaints }
}

/** Of the first login with scripts: whoever comes later shows it, and need not say the password again. */
let session: readonly Cookie[] = []

async function operator(...how: Parameters<typeof visit>): Promise<Visit> {
  const [, , hasScripts = true] = how
  const arrived = await visit(...how)
  const { page } = arrived
  if (hasScripts && session.length > 0) {
    await page.context().addCookies(session)
    await page.goto(base)
  } else {
    await page.goto(`${base}/login`)
    await page.getByLabel('Password').fill(deskPassword)
    await page.keyboard.press('Enter')
  }
  // Where a session is good no longer, the login page would stand in for every page, and be found in order.
  await page.getByRole('heading', { name: 'Mailings', exact: true }).waitFor()
  if (hasScripts && session.length === 0) session = await page.context().cookies()
  return arrived
}
