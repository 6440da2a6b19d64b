import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { HtmlValidate } from 'html-validate'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeChallenge } from '../../services/api/reader/challenge.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { snippetOf } from '../../shared/snippet/snippet.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { axeFaults, axeFaultsInEveryLook } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type ReaderHouse, readerHouse, subscriptionOf } from '../rig/reader-house.ts'

/** Set to a folder to keep a picture of every look in it. */
const pictures = process.env.READER_PICTURES

describe.skipIf(!hasChromium)('the follow box in a browser', () => {
  let database: TestDatabase
  let pool: Pool
  let house: ReaderHouse
  let base: string
  let newsroom: Newsroom
  let browser: Chromium
  /** A publisher's own site, on another origin, with a style of its own. */
  let site: Server
  let siteUrl: string
  const shown = { body: '', policy: '' }

  beforeAll(async () => {
    database = await openTestDatabase()
    pool = database.pool
    site = createServer((_request, reply) => {
      reply.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        ...(shown.policy ? { 'content-security-policy': shown.policy } : {}),
      })
      reply.end(foreignPage(shown.body))
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    siteUrl = `http://localhost:${(site.address() as { port: number }).port}`
    // A tenth of ten: the second sign-up in an hour is unusual.
    house = await readerHouse(pool, {
      publicUrl: 'http://127.0.0.1',
      signUpCeilings: { newsroom: 10, installation: 1_000_000 },
    })
    base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    Object.assign(house.deps, { publicUrl: base })
    browser = await openChromium()
  })
  beforeEach(async () => {
    newsroom = await givenNewsroom(pool, {
      languages: ['nb', 'en'],
      accent: '#0a6e5c',
      topics: [
        { id: 'climate', names: { nb: 'Klima og energi', en: 'Climate and energy' } },
        { id: 'harbour', names: { nb: 'Havn', en: 'Harbour' } },
      ],
      allowedOrigins: [siteUrl],
    })
    shown.policy = ''
  })
  afterAll(async () => {
    await browser?.close()
    site.close()
    await house.app.close()
    await database.close()
  })

  const visit = async (url: string, options: Parameters<Chromium['newContext']>[0] = {}) => {
    const context: BrowserContext = await browser.newContext({ locale: 'nb-NO', ...options })
    const page = await context.newPage()
    const asked: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).origin))
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of (422|428)/.test(message.text())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(url)
    return { context, page, asked, complaints }
  }
  const busy = async () => {
    for (const n of [1, 2])
      await house.app.inject({
        ...{ method: 'POST', url: `/newsrooms/${newsroom.slug}/subscriptions` },
        payload: { email: `crowd${n}@example.org` },
      })
  }
  const stateOf = async (email: string) => (await subscriptionOf(pool, newsroom, email))?.state
  const moment = (seconds: number) => {
    house.clock.now = new Date(house.clock.now.getTime() + seconds * 1_000)
  }

  describe('on our page, while sign-ups are unusually many', () => {
    test('the check runs by itself, says so, and needs neither a puzzle nor a mouse', async () => {
      await busy()
      const { context, page, asked, complaints } = await visit(
        `${base}/newsrooms/${newsroom.slug}/subscriptions?language=nb`,
      )
      moment(10)
      await page.getByText('Ferdig. Du kan trykke på knappen.').first().waitFor()
      expect(await axeFaultsInEveryLook(page, [320, 600, 1200], { look: (at) => keep(page, 'check', at) })).toEqual([])
      await page.locator('#email').focus()
      await page.keyboard.type('kari@example.org')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
      expect(await stateOf('kari@example.org')).toBe('pending')
      expect(new Set(asked)).toEqual(new Set([base]))
      expect(complaints).toEqual([])
      expect(await context.cookies()).toEqual([])
      await context.close()
    })

    test('whoever presses before it is done waits for it, and gets a prompt letter all the same', async () => {
      await busy()
      const { context, page } = await visit(`${base}/newsrooms/${newsroom.slug}/subscriptions?language=nb`)
      moment(10)
      await page.getByText('Nettleseren arbeider …').first().waitFor()
      await page.locator('#email').fill('quick@example.org')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
      expect(await stateOf('quick@example.org')).toBe('pending')
      await context.close()
    })

    test('it speaks the language of each page', async () => {
      await busy()
      const { context, page } = await visit('about:blank')
      // Made easy: what the check costs a browser is a matter of the tests before, and the same in every language.
      await page.route('**/challenge', async (route) =>
        route.fulfill({ json: await makeChallenge(house.deps.links, newsroom.id, house.deps.now(), 1) }),
      )
      for (const language of ['nn', 'se', 'fi', 'en']) {
        await page.goto(`${base}/newsrooms/${newsroom.slug}/subscriptions?language=${language}`)
        const words = JSON.parse((await page.locator('#check').getAttribute('data-words'))!)
        expect(words.language).toBe(language)
        await page.getByText(words.verified).first().waitFor()
        expect(await page.locator('#check').innerText(), language).not.toMatch(/ALTCHA|robot|Verif/)
      }
      await context.close()
    })

    test('without scripts the letter comes a little later, and the page says so before and after', async () => {
      await busy()
      const { context, page } = await visit(`${base}/newsrooms/${newsroom.slug}/subscriptions?language=en`, {
        javaScriptEnabled: false,
      })
      moment(10)
      await page.getByText('Your browser runs no scripts here.').waitFor()
      if (pictures) await page.screenshot({ path: join(pictures, 'check-noscript.png'), fullPage: true })
      await page.locator('#email').fill('plain@example.org')
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByRole('heading', { name: 'The email comes in a while' }).waitFor()
      expect(await stateOf('plain@example.org')).toBe('pending')
      await context.close()
    })
  })

  describe('on a publisher’s own page', () => {
    const paste = (language: 'nb' | 'en' = 'nb') => {
      shown.body = snippetOf(newsroom, language, base)
    }

    test('the pasted markup is valid, and whole in every look, in the publisher’s own type', async () => {
      paste()
      const report = await validator.validateString(foreignPage(shown.body))
      expect(
        report.results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${ruleId}: ${message}`)),
      ).toEqual([])
      const { context, page, asked, complaints } = await visit(siteUrl)
      await page.locator('pressebud-follow [part=form][novalidate]').waitFor()
      const look = async (at: { width: number; scheme: string }) => {
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(at.width)
        await keep(page, 'snippet', at)
      }
      expect(await axeFaultsInEveryLook(page, [320, 600, 1200], { look })).toEqual([])
      // Its own button's colour is set from outside, by a custom property and by ::part.
      expect(await page.evaluate(`${styleOfButton}.backgroundColor`)).toBe('rgb(122, 31, 61)')
      expect(await page.evaluate(`${styleOfButton}.textTransform`)).toBe('uppercase')
      expect(new Set(asked)).toEqual(new Set([siteUrl, base]))
      expect(await context.cookies()).toEqual([])
      expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0)
      expect(complaints).toEqual([])
      await context.close()
    })

    test('a reader corrects a mistake and signs up by keyboard alone, and never leaves the page', async () => {
      paste()
      const { context, page, complaints } = await visit(siteUrl)
      await page.locator('pressebud-follow [part=form][novalidate]').waitFor()
      await tabTo(page, 'email')
      await page.keyboard.type('kari@example org')
      await page.keyboard.press('Enter')
      const alert = page.getByRole('alert')
      await expect.poll(() => alert.innerText()).toBe('Skriv en gyldig e‑postadresse, for eksempel navn@example.com')
      expect(await focusedName(page)).toBe('email')
      expect(await page.locator('pressebud-follow [name=email]').getAttribute('aria-invalid')).toBe('true')
      expect(await axeFaults(page)).toEqual([])
      await page.keyboard.press('Control+A')
      await page.keyboard.type('kari@example.org')
      await tabTo(page, 'topics')
      await page.keyboard.press('Space')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
      expect(await page.evaluate(`document.querySelector('pressebud-follow').shadowRoot.activeElement.tagName`)).toBe(
        'H2',
      )
      expect(await axeFaults(page)).toEqual([])
      expect(page.url()).toBe(`${siteUrl}/`)
      expect(await stateOf('kari@example.org')).toBe('pending')
      const { rows } = await pool.query('select wishes, form_url from consent_log where newsroom_id = $1', [
        newsroom.id,
      ])
      expect(rows).toEqual([
        { wishes: { language: 'nb', topics: ['climate'], frequency: 'immediate' }, form_url: siteUrl },
      ])
      expect(complaints).toEqual([])
      await context.close()
    })

    test('while sign-ups are many it loads the check, does it out of sight, and the reader stays where they are', async () => {
      // Pasted in English: the box speaks the language of the page all the same.
      paste('en')
      await busy()
      const { context, page, asked } = await visit(siteUrl)
      await page.locator('pressebud-follow [part=form][novalidate]').waitFor()
      await page.locator('pressebud-follow [name=email]').fill('busy@example.org')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
      expect(await stateOf('busy@example.org')).toBe('pending')
      expect(new Set(asked)).toEqual(new Set([siteUrl, base]))
      await context.close()
    })

    test.each([
      ['scripts are off', { javaScriptEnabled: false }, ''],
      [
        'the page’s policy lets no script of ours in',
        {},
        "default-src 'self'; style-src 'unsafe-inline'; form-action *",
      ],
    ])('where %s the form itself goes to us', async (_when, options, policy) => {
      paste('en')
      shown.policy = policy
      const { context, page } = await visit(siteUrl, options)
      if (pictures && !policy) await page.screenshot({ path: join(pictures, 'snippet-noscript.png'), fullPage: true })
      await page.locator('[name=email]').fill('bare@example.org')
      await page.getByLabel('Harbour').check()
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByRole('heading', { name: 'Check your inbox' }).waitFor()
      expect(await stateOf('bare@example.org')).toBe('pending')
      await context.close()
    })

    test('on a page that is not listed nothing is lost either: our own page asks for one more press', async () => {
      newsroom = await givenNewsroom(pool, { allowedOrigins: [] })
      paste('en')
      const { context, page } = await visit(siteUrl)
      await page.locator('[name=email]').fill('unlisted@example.org')
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByRole('heading', { name: 'Press the button once more' }).waitFor()
      if (pictures) await page.screenshot({ path: join(pictures, 'again.png'), fullPage: true })
      expect(await axeFaults(page)).toEqual([])
      expect(await page.locator('#email').inputValue()).toBe('unlisted@example.org')
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByRole('heading', { name: 'Check your inbox' }).waitFor()
      expect(await stateOf('unlisted@example.org')).toBe('pending')
      await context.close()
    })

    test('its script is under six kilobytes as it is sent', async () => {
      const script = await house.app.inject('/assets/follow-box.js')
      expect(script.rawPayload.length).toBeLessThan(6 * 1024)
      expect(script.body).not.toMatch(/cookie|localStorage|https?:\/\//)
    })
  })
})

// Boxes that are ticked together share their name.
const validator = new HtmlValidate({
  extends: ['html-validate:recommended'],
  rules: { 'form-dup-name': ['error', { shared: ['radio', 'checkbox', 'button', 'submit', 'reset'] }] },
})

const keep = async (page: Page, name: string, { width, scheme }: { width: number; scheme: string }) => {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true })
}

const foreignPage = (body: string) => `<!DOCTYPE html>
<html lang="nb">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Havneby avis</title>
<style>
body { margin: 0; padding: 24px; font: 18px/1.5 Georgia, serif; background: Canvas; color: CanvasText; }
input, button, label { font-family: fantasy; letter-spacing: 3px; }
pressebud-follow { --pressebud-accent: #7a1f3d; --pressebud-accent-ink: #ffffff; --pressebud-radius: 0; }
pressebud-follow::part(button) { text-transform: uppercase; }
</style>
</head>
<body>
<main>
<h1>Havneby avis</h1>
<p>Vi skriver om havna.</p>
${body}
</main>
</body>
</html>
`

const styleOfButton = `getComputedStyle(document.querySelector('pressebud-follow').shadowRoot.querySelector('button'))`

const focusedName = (page: Page) =>
  page.evaluate(`(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).name`)

async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    if ((await focusedName(page)) === name) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`The Tab key never reached “${name}”`)
}
