import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { entry } from '../rig/entries.ts'
import { endLauncher, type Launched, launched, otherPorts } from '../rig/standalone.ts'

const examples = join(import.meta.dirname, '../../examples')
/** The sample newsroom has five readers before anybody signs up. */
const sampleReaders = 5

describe.skipIf(!hasChromium)('[chromium] a reader and an operator, each at their screen', () => {
  let database: TestDatabase
  let dataDir: string
  let pressebud: Launched
  let browser: Browser
  const complaints: string[] = []

  beforeAll(async () => {
    database = await openTestDatabase()
    dataDir = mkdtempSync(join(tmpdir(), 'pressebud-journey-'))
    ;[pressebud, browser] = await Promise.all([
      launched(dataDir, { ...(await otherPorts()), DATABASE_URL: database.url }),
      openChromium(),
    ])
  })
  afterAll(async () => {
    await browser?.close()
    if (pressebud) await endLauncher(pressebud)
    await database?.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  /** A screen of one's own; what its pages complain of is kept. */
  async function sitDown(locale: string): Promise<Page> {
    const context = await browser.newContext({ locale, viewport: { width: 1280, height: 900 } })
    context.on('console', (message) => {
      // A desk that asks who is there, a form that wants its button pressed once more, and an inbox that loads no picture
      // unasked are as they should be.
      if (message.type() === 'error' && !/status of (401|428)|^Loading the image/.test(message.text()))
        complaints.push(`${message.page()?.url()}: ${message.text()}`)
    })
    context.on('weberror', (error) => complaints.push(error.error().message))
    return context.newPage()
  }

  /** As the publisher's system would, from the examples. */
  const publish = (file: string) =>
    promisify(execFile)(process.execPath, [entry('services/cli/main.js'), 'publish', join(examples, file)], {
      env: { PATH: process.env.PATH, DATA_DIR: dataDir },
    })

  /** Opens the newest letter of the list on screen, presses a link in it, and returns the page that opens. */
  async function pressInLetter(inbox: Page, subject: RegExp, link: RegExp): Promise<Page> {
    // The list renews itself: nobody presses reload.
    await inbox.getByRole('link', { name: subject }).first().click()
    await inbox.waitForURL('**/letters/*')
    const [page] = await Promise.all([
      inbox.context().waitForEvent('page'),
      // By keyboard: a click just after a scroll inside a frame of another process may fall where the link was.
      inbox.frameLocator('iframe').getByRole('link', { name: link }).first().press('Enter'),
    ])
    await page.waitForLoadState()
    return page
  }

  const figure = (desk: Page, name: string) => desk.locator(`.cards [data-figure="${name}"]`).innerText()

  test('she follows, reads and leaves by the letters alone; he watches each mailing to its end', async () => {
    const reader = await sitDown('nb-NO')
    await reader.goto(pressebud.newsroom)
    await reader.getByLabel('E-postadresse').fill('ada@lesere.example')
    await reader.getByRole('button', { name: /^Følg/ }).click()
    // Quicker at it than people are, she may be asked to press once more.
    const asked = reader.getByRole('heading', { name: 'Sjekk innboksen din' })
    const again = reader.getByRole('heading', { name: 'Trykk på knappen én gang til' })
    await asked.or(again).waitFor()
    if (await again.isVisible()) await reader.getByRole('button', { name: /^Følg/ }).click()
    await reader.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()

    const inbox = await reader.context().newPage()
    await inbox.goto(`${pressebud.inbox}?to=ada@lesere.example`)
    const question = await pressInLetter(inbox, /^Bekreft/, /^Ja, send meg pressemeldingene/)
    await question.getByRole('button', { name: 'Ja, følg Klyngekontoret' }).click()
    await question.getByRole('heading', { name: 'Du følger Klyngekontoret' }).waitFor()

    const operator = await sitDown('en-GB')
    await operator.goto(pressebud.ops)
    await operator.getByLabel('Password').fill(pressebud.opsPassword)
    await operator.keyboard.press('Enter')
    await operator.getByRole('heading', { name: 'Mailings' }).waitFor()

    await inbox.goto(`${pressebud.inbox}?to=ada@lesere.example`)
    await publish('release.json')
    const release = /^Tolv nye i klyngeprogrammet/
    await operator.reload()
    await operator.getByRole('link', { name: release }).click()
    await operator.locator('[data-state="done"]').waitFor()
    expect([await figure(operator, 'sent'), await figure(operator, 'inDoubt')]).toEqual([
      String(sampleReaders + 1),
      '0',
    ])

    const farewell = await pressInLetter(inbox, release, /Meld deg av/)
    await farewell.getByRole('button', { name: 'Meld meg av' }).click()
    await farewell.getByRole('heading', { name: 'Du er meldt av' }).waitFor()

    await publish('follow-up.json')
    await operator.getByRole('link', { name: 'All mailings' }).click()
    await operator.locator('main h2 a').first().click()
    await operator.locator('[data-state="done"]').waitFor()
    expect(await figure(operator, 'sent')).toBe(String(sampleReaders))
    await inbox.goto(`${pressebud.inbox}?to=ada@lesere.example`)
    expect(await inbox.locator('#letters a.subject').allInnerTexts()).toEqual([
      expect.stringMatching(release),
      expect.stringMatching(/^Bekreft/),
    ])
    expect(complaints).toEqual([])
  })

  test('a developer reads the description of the API, which needs nothing foreign', async () => {
    const developer = await sitDown('en-GB')
    const foreign: string[] = []
    await developer.route(/^(?!http:\/\/127\.0\.0\.1:|data:)/, (route) => {
      foreign.push(route.request().url())
      return route.abort()
    })
    complaints.length = 0
    for (const address of [pressebud.docs, pressebud.docs.replace(/\/$/, '')]) {
      await developer.goto(address)
      await developer.getByText('/webhooks/newsrooms/{slug}/releases').first().waitFor()
    }
    await developer.getByText('/webhooks/newsrooms/{slug}/releases').first().click()
    await developer.locator('.opblock.is-open').getByText('webhook-timestamp').first().waitFor({ timeout: 15_000 })
    if (process.env.DOCS_PICTURE) await developer.screenshot({ path: process.env.DOCS_PICTURE })
    expect([foreign, complaints]).toEqual([[], []])
  })
})
