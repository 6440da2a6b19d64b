import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openScreens, type Screens } from '../rig/screens.ts'
import { endLauncher, type Launched, launched, otherPorts } from '../rig/standalone.ts'

const example = (name: string) => readFileSync(join(import.meta.dirname, '../../examples', name), 'utf8')
/** The sample newsroom has five readers before anybody signs up. */
const sampleReaders = 5

describe.skipIf(!hasChromium)('[chromium] a reader and an operator, each at their screen', () => {
  let database: TestDatabase
  let dataDir: string
  let pressebud: Launched
  let browser: Chromium
  let screens: Screens

  beforeAll(async () => {
    database = await openTestDatabase()
    dataDir = mkdtempSync(join(tmpdir(), 'pressebud-journey-'))
    ;[pressebud, browser] = await Promise.all([
      launched(dataDir, { ...(await otherPorts()), DATABASE_URL: database.url }),
      openChromium(),
    ])
    screens = openScreens(pressebud, dataDir, browser)
  })
  afterAll(async () => {
    await browser?.close()
    if (pressebud) await endLauncher(pressebud)
    await database?.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  const figure = (desk: Page, name: string) => desk.locator(`.cards [data-figure="${name}"]`).innerText()

  test('she follows, reads and leaves by the letters alone; he watches each mailing to its end', async () => {
    const reader = await screens.sitDown('nb-NO')
    await reader.goto(pressebud.newsroom)
    await reader.getByLabel('E-postadresse').fill('ada@lesere.example')
    await screens.pressFollow(reader)

    const inbox = await reader.context().newPage()
    await inbox.goto(screens.lettersTo('ada@lesere.example'))
    const question = await screens.pressInLetter(inbox, /^Bekreft/, /^Ja, send meg pressemeldingene/)
    await question.getByRole('button', { name: 'Ja, følg Klyngekontoret' }).click()
    await question.getByRole('heading', { name: 'Du følger Klyngekontoret' }).waitFor()

    const operator = await screens.operatorAtDesk()
    await inbox.goto(screens.lettersTo('ada@lesere.example'))
    await screens.publish(example('release.json'))
    const release = /^Tolv nye i klyngeprogrammet/
    await operator.reload()
    await operator.getByRole('link', { name: release }).click()
    await screens.done(operator)
    expect([await figure(operator, 'sent'), await figure(operator, 'inDoubt')]).toEqual([
      String(sampleReaders + 1),
      '0',
    ])

    const farewell = await screens.pressInLetter(inbox, release, /Meld deg av/)
    await farewell.getByRole('button', { name: 'Meld meg av' }).click()
    await farewell.getByRole('heading', { name: 'Du er meldt av' }).waitFor()

    await screens.publish(example('follow-up.json'))
    await operator.getByRole('link', { name: 'All mailings' }).click()
    await operator.locator('main h2 a').first().click()
    await screens.done(operator)
    expect(await figure(operator, 'sent')).toBe(String(sampleReaders))
    expect(await screens.subjectsFor(inbox, 'ada@lesere.example')).toEqual([
      expect.stringMatching(release),
      expect.stringMatching(/^Bekreft/),
    ])
    expect(screens.complaints).toEqual([])
  })

  test('a reader finds, follows, changes her mind about everything and is forgotten; another leaves without a letter', async () => {
    screens.complaints.length = 0
    const [ada, moved, sunniva] = ['ada.berg@lesere.example', 'ada@hjemme.example', 'sunniva@avisa.example']
    await Promise.all([screens.publish(example('release.json')), screens.publish(example('follow-up.json'))])
    const operator = await screens.operatorAtDesk()
    /** A release in both languages, watched until the last reader who is owed it has it. */
    const release = async (number: number) => {
      await screens.publish(releaseNumber(number))
      await screens.watchToItsEnd(operator, `Melding ${number}`)
    }

    // She searches, narrows, reads, and follows from where she stands.
    const reader = await screens.sitDown('nb-NO')
    await reader.goto(pressebud.newsroom)
    await reader.getByLabel('Søk i pressemeldingene').fill('Sandnessjøen')
    await reader.keyboard.press('Enter')
    await reader.getByText('Fant 2 pressemeldinger').waitFor()
    await reader.getByText('Avgrens listen').click()
    await reader.getByLabel('Emne', { exact: true }).selectOption('Nord-Norge')
    await reader.getByRole('button', { name: 'Vis', exact: true }).click()
    await reader.getByText('Fant 1 pressemelding', { exact: true }).waitFor()
    await reader.getByRole('link', { name: /^Tolv nye i klyngeprogrammet/ }).click()
    await reader.getByRole('heading', { name: 'Tre fylker, én energiklynge' }).waitFor()
    await reader.getByLabel('E-postadresse').fill(ada)
    await reader.getByText('Velg emner og hvor ofte').click()
    await reader.getByLabel('Hub-node').check()
    await reader.getByLabel('Hvor ofte').selectOption('Samlet, en gang om dagen')
    await screens.pressFollow(reader)

    const inbox = await reader.context().newPage()
    await inbox.goto(screens.lettersTo(ada))
    const question = await screens.pressInLetter(inbox, /^Bekreft/, /^Ja, send meg pressemeldingene/)
    const gets = question.locator('.gets')
    expect((await gets.innerText()).split(/\n+/)).toEqual(
      expect.arrayContaining(['Hub-node', 'Samlet, en gang om dagen', 'Norsk bokmål']),
    )
    await question.getByRole('button', { name: 'Ja, følg Klyngekontoret' }).click()
    await question.getByText('Det som publiseres, kommer samlet i én e‑post om dagen.').waitFor()
    await release(1)
    expect(await screens.subjectsFor(inbox, ada)).toEqual(['Bekreft at du vil følge Klyngekontoret'])

    // The letter is lost: she asks for a link on the website, and wants them at once, in English.
    await reader.goto(pressebud.newsroom)
    await reader.getByRole('link', { name: 'Endre hva du får' }).click()
    await reader.getByLabel('E-postadresse').fill(ada)
    await reader.getByRole('button', { name: 'Send meg lenken' }).click()
    await reader.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
    const choices = await screens.pressInLetter(inbox, /^Lenken til valgene dine/, /^Endre hva du får/)
    await choices.getByLabel('Når de publiseres').check()
    await choices.getByLabel('Språk i e‑postene').selectOption('English')
    await choices.getByRole('button', { name: 'Lagre' }).click()
    await choices.getByRole('status').getByText('Valgene dine er lagret.').waitFor()
    await inbox.goto(screens.lettersTo(ada))
    await release(2)

    // From the foot of the letter, which is English now, she moves; the old address is told, and takes it back.
    const english = await screens.pressInLetter(inbox, /^Release 2$/, /^Change what you get/)
    await english.getByLabel('New email address').fill(moved)
    await english.getByRole('button', { name: 'Save' }).click()
    await english.getByText('We have written to the new address.').waitFor()
    await inbox.goto(screens.lettersTo(moved))
    const asked = await screens.pressInLetter(inbox, /^Confirm your new address/, /^Yes, use this address/)
    await asked.getByRole('button', { name: 'Yes, use this address' }).click()
    await asked.getByRole('heading', { name: 'The address has been changed' }).waitFor()
    await release(3)
    expect(await screens.subjectsFor(inbox, moved)).toEqual([
      'Release 3',
      'Confirm your new address with Klyngekontoret',
    ])
    await inbox.goto(screens.lettersTo(ada))
    const undo = await screens.pressInLetter(
      inbox,
      /^The press releases now go to a new address/,
      /^Move them back here/,
    )
    await undo.getByRole('button', { name: 'Move them back' }).click()
    await undo.getByRole('heading', { name: 'The emails have been moved back' }).waitFor()

    // A pause holds, and its end is hers to choose.
    await english.getByLabel('Pause until').fill(dayIn(20))
    await english.getByLabel('New email address').fill('')
    await english.getByRole('button', { name: 'Save' }).click()
    await english.getByText(/^You are on pause until \d{1,2} \w+ \d{4}/).waitFor()
    await release(4)
    await english.getByLabel('Pause until').fill('')
    await english.getByRole('button', { name: 'Save' }).click()
    await english.getByText('You are on pause').waitFor({ state: 'detached' })

    // She takes what is held about her, and has it erased.
    await english.getByRole('button', { name: 'Send me the link' }).click()
    await english.getByRole('status').getByText('An email with the link is on its way').waitFor()
    await inbox.goto(screens.lettersTo(ada))
    const held = await screens.pressInLetter(inbox, /^Your link to what we hold/, /^See what we hold/)
    const [download] = await Promise.all([
      held.waitForEvent('download'),
      held.getByRole('link', { name: 'Download everything (JSON)' }).click(),
    ])
    const file = readFileSync(await download.path(), 'utf8')
    expect(JSON.parse(file)).toMatchObject({ subscribers: [{ address: ada }] })
    expect(['Release 2', 'Release 3'].filter((title) => !file.includes(title))).toEqual([])
    await held.getByRole('link', { name: 'Erase everything about me' }).click()
    await held.getByLabel('I understand that it cannot be undone').check()
    await held.getByRole('button', { name: 'Erase everything' }).click()
    await held.getByRole('heading', { name: 'Everything has been erased' }).waitFor()
    expect(await screens.subjectsFor(inbox, ada)).toEqual([
      'Your link to what we hold about you',
      'The press releases now go to a new address',
      'Release 2',
      'Lenken til valgene dine hos Klyngekontoret',
      'Bekreft at du vil følge Klyngekontoret',
    ])

    // Another has had all of them, and deleted them: an address and a press in the inbox are enough.
    expect((await screens.subjectsFor(inbox, sunniva)).slice(0, 4)).toEqual([4, 3, 2, 1].map((n) => `Melding ${n}`))
    await inbox.getByText('Delete all letters').click()
    await inbox.getByRole('button', { name: 'Yes, delete them all' }).click()
    await inbox.getByText('No letters yet').or(inbox.getByText('No letter fits')).waitFor()
    await reader.goto(pressebud.newsroom)
    await reader.getByRole('contentinfo').getByRole('link', { name: 'Meld deg av' }).click()
    await reader.getByLabel('E-postadresse').fill(sunniva)
    await reader.getByRole('button', { name: 'Send meg lenken' }).click()
    await reader.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
    await inbox.goto(screens.lettersTo(sunniva))
    const farewell = await screens.pressInLetter(inbox, /^Meld deg av Klyngekontoret/, /^Meld meg av/)
    await farewell.getByRole('button', { name: 'Meld meg av' }).click()
    await farewell.getByRole('heading', { name: 'Du er meldt av' }).waitFor()
    await release(5)
    expect(await screens.subjectsFor(inbox, sunniva)).toEqual(['Meld deg av Klyngekontoret'])
    expect(await screens.subjectsFor(inbox, ada)).toEqual([])
    expect(await screens.subjectsFor(inbox, 'kari@lesere.example')).toEqual(['Melding 5'])
    expect(screens.complaints).toEqual([])
  })

  test('a developer reads the description of the API, which needs nothing foreign', async () => {
    const developer = await screens.sitDown('en-GB')
    const foreign: string[] = []
    await developer.route(/^(?!http:\/\/127\.0\.0\.1:|data:)/, (route) => {
      foreign.push(route.request().url())
      return route.abort()
    })
    screens.complaints.length = 0
    for (const address of [pressebud.docs, pressebud.docs.replace(/\/$/, '')]) {
      await developer.goto(address)
      await developer.getByText('/webhooks/newsrooms/{slug}/releases').first().waitFor()
    }
    await developer.getByText('/webhooks/newsrooms/{slug}/releases').first().click()
    await developer.locator('.opblock.is-open').getByText('webhook-timestamp').first().waitFor({ timeout: 15_000 })
    if (process.env.DOCS_PICTURE) await developer.screenshot({ path: process.env.DOCS_PICTURE })
    expect([foreign, screens.complaints]).toEqual([[], []])
  })
})

/** A short release in both languages of the sample newsroom. */
function releaseNumber(number: number): string {
  const [at, bodyHtml] = [new Date().toISOString(), '<p>Kort nytt fra noden.</p>']
  const languages = {
    nb: { title: `Melding ${number}`, lead: 'Kort nytt.', bodyHtml },
    en: { title: `Release ${number}`, lead: 'News in brief.', bodyHtml },
  }
  const about = { externalId: `journey-${number}`, publishedAt: at, zone: 'Europe/Oslo', topics: ['hub-node'] }
  const data = { ...about, languages, contacts: [], images: [], documents: [], links: [] }
  return JSON.stringify({ type: 'release.published', timestamp: at, data })
}

const dayIn = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
