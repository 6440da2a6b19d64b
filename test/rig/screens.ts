import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import type { Standalone } from '../../services/cli/surroundings.ts'
import { postRelease, webhookIdOf } from '../../services/cli/webhook.ts'
import type { Chromium } from './chromium.ts'
import type { Launched } from './standalone.ts'
import { until } from './until.ts'

/** What people at their screens do with a running `npm start`: all they know is what a page or a letter says. */
export type Screens = {
  /** What their browsers have complained of. */
  readonly complaints: string[]
  /** A screen of one's own. */
  sitDown(locale: string): Promise<Page>
  operatorAtDesk(): Promise<Page>
  /** As the publisher's system would. */
  publish(body: string): Promise<void>
  /** Watches the mailing whose link was pressed to its end. */
  done(operator: Page): Promise<void>
  /** Opens a mailing at the desk, and watches it to its end. */
  watchToItsEnd(operator: Page, title: string): Promise<void>
  /** Presses the button of a follow box that is filled in, in bokmål. */
  pressFollow(reader: Page): Promise<void>
  /** Where the letters to an address are listed. */
  lettersTo(address: string): string
  /** What lies in a mailbox now, newest first. */
  subjectsFor(inbox: Page, address: string): Promise<string[]>
  /** Opens the newest such letter of the list on screen, presses a link in it, and returns the page that opens. */
  pressInLetter(inbox: Page, subject: RegExp, link: RegExp): Promise<Page>
}

export function openScreens(pressebud: Launched, dataDir: string, browser: Chromium): Screens {
  const complaints: string[] = []
  const lettersTo = (address: string) => `${pressebud.inbox}?to=${address}`

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

  return {
    ...{ complaints, lettersTo, sitDown, done },

    async operatorAtDesk() {
      const operator = await sitDown('en-GB')
      await operator.goto(pressebud.ops)
      await operator.getByLabel('Password').fill(pressebud.opsPassword)
      await operator.keyboard.press('Enter')
      await operator.getByRole('heading', { name: 'Mailings' }).waitFor()
      return operator
    },

    async publish(body) {
      const at = JSON.parse(readFileSync(join(dataDir, 'standalone.json'), 'utf8')) as Standalone
      const text = body.replaceAll('{{publicUrl}}', at.api)
      const webhook = { api: at.api, newsroom: at.sampleNewsroom, secret: at.webhookSecret, body: text }
      const { status, text: answer } = await postRelease(
        { now: () => new Date() },
        { ...webhook, id: webhookIdOf(text) },
      )
      if (status >= 300) throw new Error(answer)
    },

    async watchToItsEnd(operator, title) {
      await operator.goto(pressebud.ops)
      await operator.getByRole('link', { name: title }).click()
      await done(operator)
    },

    async pressFollow(reader) {
      const follow = reader.getByRole('button', { name: 'Følg', exact: true })
      await follow.click()
      // Quicker at it than people are, she may be asked to press once more.
      const asked = reader.getByRole('heading', { name: 'Sjekk innboksen din' })
      const again = reader.getByRole('heading', { name: 'Trykk på knappen én gang til' })
      await asked.or(again).waitFor()
      if (await again.isVisible()) await follow.click()
      await asked.waitFor()
    },

    async subjectsFor(inbox, address) {
      await inbox.goto(lettersTo(address))
      return inbox.locator('#letters a.subject').allInnerTexts()
    },

    async pressInLetter(inbox, subject, link) {
      const letter = inbox.getByRole('link', { name: subject }).first()
      await watch(inbox, letter)
      await letter.click()
      await inbox.waitForURL('**/letters/*')
      const [page] = await Promise.all([
        inbox.context().waitForEvent('page'),
        // By keyboard: a click just after a scroll inside a frame of another process may fall where the link was.
        inbox.frameLocator('iframe').getByRole('link', { name: link }).first().press('Enter'),
      ])
      await page.waitForLoadState()
      return page
    },
  }
}

async function done(operator: Page): Promise<void> {
  // The list one comes from has mailings that are done as well.
  await operator.waitForURL('**/mailings/*')
  await watch(operator, operator.locator('[data-state="done"]'))
}

// Comes back to a page again and again: it renews itself for who does. That it does so every two seconds as well is
// proved of the inbox and of the desk in tests of their own: here that would be waited for a dozen times.
const watch = (page: Page, wanted: Locator) =>
  until(
    `${wanted} is on screen`,
    async () => {
      if (await wanted.isVisible()) return true
      // A page that is being left for the next one answers nothing any more.
      await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`).catch((error: Error) => {
        if (!error.message.includes('Execution context was destroyed')) throw error
      })
      return false
    },
    30,
    lookEvery,
  )

/** Milliseconds: each look is a question to the server that is to be watched, on the same cores. */
const lookEvery = 100
