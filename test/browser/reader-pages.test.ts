import { join } from 'node:path'
import { type ConfigData, HtmlValidate } from 'html-validate'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addRevision, insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { axeFaults, axeFaultsInEveryLook, type Look } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  givenRelease,
  type ReaderHouse,
  readerHouse,
  subscriptionOf,
} from '../rig/reader-house.ts'

/** Set to a folder to keep a picture of every page in it. */
const pictures = process.env.READER_PICTURES

describe.skipIf(!hasChromium)('the pages in a browser', () => {
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
    // Over plain http on loopback: with https in its address the house would send browsers there.
    house = await readerHouse(pool, { signUpsPerHour: 1_000, publicUrl: 'http://127.0.0.1' })
    base = await house.app.listen({ host: '127.0.0.1', port: 0 })
    newsroom = await givenNewsroom(pool, {
      slug: 'havneby',
      languages: ['nb', 'nn', 'se', 'en'],
      accent: '#0a6e5c',
      about: { nb: 'Havneby er en kystkommune med 12 000 innbyggere, to fergekaier og landets eldste fiskemottak.' },
      topics: topicsOfHavneby,
    })
    await givenReleases(pool, newsroom)
    browser = await openChromium()
    context = await browser.newContext({ locale: 'nb-NO' })
    await context.route('https://files.example/**', (route) =>
      route.fulfill({ contentType: 'image/svg+xml', body: drawing }),
    )
    page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d|ERR_/.test(message.text())) faults.push(message.text())
    })
  })
  afterAll(async () => {
    await browser?.close()
    await house.app.close()
    await database.close()
  })

  /** Every page there is, each once: its name, and how a reader comes to it. */
  const places: readonly (readonly [string, () => Promise<string>])[] = [
    ['front', async () => '/'],
    ['newsroom', async () => '/newsrooms/havneby'],
    ['newsroom-fi', async () => '/newsrooms/havneby?language=fi'],
    ['newsroom-search', async () => '/newsrooms/havneby?language=nb&q=budsjettene&topic=finance&year=2026'],
    ['newsroom-nothing', async () => '/newsrooms/havneby?language=en&q=zeppelin'],
    ['newsroom-older', async () => `/newsrooms/havneby?before=${await releaseId(pool, 'Ferja')}`],
    [
      'newsroom-empty',
      async () =>
        `/newsrooms/${(await givenNewsroom(pool, { name: 'Nyoppretta forlag', languages: ['nn'], defaultLanguage: 'nn' })).slug}`,
    ],
    ['release', async () => `/newsrooms/havneby/releases/${await releaseId(pool, 'Ferja')}`],
    ['release-corrected', async () => `/newsrooms/havneby/releases/${await releaseId(pool, 'Havneby får 12')}`],
    [
      'withdrawn',
      async () => {
        const publishedAt = new Date(house.clock.now.getTime() - 60_000)
        return `/newsrooms/havneby/releases/${await givenRelease(pool, newsroom, { kind: 'withdrawal', publishedAt })}`
      },
    ],
    ['follow', async () => '/newsrooms/havneby/subscriptions?language=se'],
    ['confirm', async () => `/confirm/${await requested('confirm@example.org')}`],
    ['confirmed', async () => `/confirm/${await followed('confirmed@example.org')}`],
    ['expired', async () => `/confirm/${await requested('expired@example.org', -80)}`],
    ['not-me', async () => `/not-me/${await requested('notme@example.org')}?language=da`],
    ['not-me-active', async () => `/not-me/${await followed('active@example.org')}?language=sv`],
    ['unsubscribe', async () => `/unsubscribe/${await leaving('leaving@example.org')}`],
    [
      'unsubscribed',
      async () => `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [987_654n, 0n, 0n])}?language=en`,
    ],
    ['missing', async () => '/newsrooms/nowhere'],
    ['broken-link', async () => '/confirm/x?language=nn'],
  ]
  const requested = async (email: string, hoursAgo = 0) => {
    await follow(house, newsroom, email)
    house.clock.now = new Date(Date.now() + hoursAgo * 3_600_000)
    const token = await confirmToken(house, newsroom, email)
    house.clock.now = new Date()
    return token
  }
  const followed = async (email: string) => {
    await givenFollower(house, newsroom, email)
    return confirmToken(house, newsroom, email)
  }
  const leaving = async (email: string) => {
    const { id } = await givenFollower(house, newsroom, email)
    return sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 1n, 0n])
  }

  const validator = new HtmlValidate({ extends: ['html-validate:recommended'], rules: rulesWeChose })

  test.each(places)('%s is valid, accessible and whole at every width, light and dark', async (name, find) => {
    const url = base + (await find())
    const response = await fetch(url, { headers: { accept: 'text/html' } })
    expect(response.status === 404, 'only what should be missing is').toBe(/^(missing|broken)/.test(name))
    const report = await validator.validateString(await response.text())
    expect(
      report.results
        .flatMap((result) => result.messages)
        .map(({ ruleId, message, line }) => `${line} ${ruleId}: ${message}`),
    ).toEqual([])
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

  test('a reader can sign up, correct a mistake, confirm and leave with the keyboard alone', async () => {
    const page = await context.newPage()
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 1200, height: 900 })
    await page.goto(`${base}/newsrooms/havneby?language=nb`)
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Hopp til hovedinnholdet')
    await tabTo(page, 'email')
    await page.keyboard.type('kari@example')
    await page.keyboard.type(' org')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/subscriptions?language=nb')
    expect(await page.title()).toMatch(/^Feil: /)
    // The page with the fault takes the focus a moment after it is there.
    await expect.poll(() => focused(page)).toBe('email')
    expect(await axeFaults(page)).toEqual([])
    if (pictures) await page.screenshot({ path: join(pictures, 'fault-1200-light.png'), fullPage: true })
    await page.keyboard.press('Control+A')
    await page.keyboard.type('kari@example.org')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Sjekk innboksen din' }).waitFor()
    expect(await axeFaults(page)).toEqual([])
    if (pictures) await page.screenshot({ path: join(pictures, 'asked-1200-light.png'), fullPage: true })

    await page.goto(`${base}/confirm/${await confirmToken(house, newsroom, 'kari@example.org')}`)
    await tabTo(page, 'Ja, følg Havneby kommune')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Du følger Havneby kommune' }).waitFor()
    const held = await subscriptionOf(pool, newsroom, 'kari@example.org')
    expect(held.state).toBe('active')

    await page.goto(`${base}/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(held.id), 0n, 0n])}`)
    await tabTo(page, 'Meld meg av')
    await page.keyboard.press('Space')
    await page.getByRole('heading', { name: 'Du er meldt av' }).waitFor()
    expect((await subscriptionOf(pool, newsroom, 'kari@example.org')).state).toBe('ended')
    await page.close()
  })

  test('printed from a dark screen, a page is dark ink on white paper', async () => {
    const page = await context.newPage()
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    for (const path of ['', `/releases/${await releaseId(pool, 'Havneby får 12')}`]) {
      await page.goto(`${base}/newsrooms/havneby${path}`)
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)')
      expect(await axeFaults(page)).toEqual([])
    }
    await page.close()
  })

  test('a scanner that opens the link with scripts on, and waits, confirms nothing', async () => {
    const page = await context.newPage()
    await page.goto(`${base}/confirm/${await requested('scanner@example.org')}`, { waitUntil: 'networkidle' })
    expect((await subscriptionOf(pool, newsroom, 'scanner@example.org')).state).toBe('pending')
    await page.close()
  })
})

const named = (nb: string, nn: string, se: string, en: string) => ({ nb, nn, se, en })
const topicsOfHavneby = [
  { id: 'transport', names: named('Samferdsel', 'Samferdsle', 'Johtolat', 'Transport') },
  { id: 'finance', names: named('Økonomi', 'Økonomi', 'Ekonomiija', 'Finance') },
]

const drawing =
  '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="675"><rect width="1200" height="675" fill="#9cc3d5"/><path d="M0 420h1200v255H0z" fill="#2f6f8f"/><path d="M250 330h620l90 40-60 80H310z" fill="#fff"/></svg>'

// `aria-label` on a landmark and long titles are how these pages tell two things apart; both are sound. Boxes that are
// ticked together share their name.
const rulesWeChose: NonNullable<ConfigData['rules']> = {
  'long-title': 'off',
  'form-dup-name': ['error', { shared: ['radio', 'checkbox', 'button', 'submit', 'reset'] }],
}

/** WCAG 2.5.8: 24 by 24 px, but for links in a sentence. */
const smallTargets = (page: Page) =>
  page.evaluate(`[...document.querySelectorAll('a, button, input:not([type=hidden]), select')]
    .filter((target) => !target.closest('.prose, .unseen, h3') && !target.classList.contains('skip'))
    .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 24 || box.width < 24))
    .map(([html]) => html)`)

const focused = (page: Page) => page.evaluate(`document.activeElement.id || document.activeElement.textContent.trim()`)

async function tabTo(page: Page, target: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await focused(page)) === target) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`The Tab key never reached “${target}”`)
}

async function releaseId(pool: Pool, start: string): Promise<string> {
  const { rows } = await pool.query<{ release_id: string }>(
    `select release_id from revisions where content #>> '{languages,nb,title}' like $1 || '%' limit 1`,
    [start],
  )
  return rows[0]!.release_id
}

async function givenReleases(pool: Pool, newsroom: Newsroom): Promise<void> {
  const drawn = 'https://files.example/ferje.svg'
  const day = 86_400_000
  await givenRelease(pool, newsroom, {
    publishedAt: new Date(Date.now() - day),
    topics: ['transport'],
    content: {
      languages: {
        nb: {
          title: 'Ferja mellom Havneby og Ytterøya går på strøm fra mandag',
          lead: 'Den første helelektriske ferja i fylket halverer overfartstiden og kutter 2 400 tonn CO₂ i året.',
          bodyHtml: `<p>Mandag klokka 06.15 legger MF «Ytterøya» fra kai for første gang. Ferja tar 120 biler og 350 passasjerer, og lader på tolv minutter ved hver ende av sambandet.</p>
            <h2>Dobbelt så mange avganger</h2><p>Fra sommeren blir det avgang hver halvtime mellom klokka seks og midnatt. <a href="https://havneby.example/ruter">Rutetabellen</a> gjelder fra 1. juni.</p>
            <blockquote>Dette er den største endringen for øya siden strømmen kom i 1951.</blockquote>
            <ul><li>Overfart: 14 minutter</li><li>Ladetid: 12 minutter</li><li>Pris: uendret</li></ul>
            <table><thead><tr><th>År</th><th>Reisende</th></tr></thead><tbody><tr><td>2024</td><td>412 000</td></tr><tr><td>2025</td><td>455 000</td></tr></tbody></table>`,
        },
        en: {
          title: 'The ferry goes electric on Monday',
          lead: 'Half the crossing time.',
          bodyHtml: '<p>From Monday.</p>',
        },
      },
      contacts: [
        { name: 'Kari Nordmann', role: 'Havnesjef', phone: '+47 22 00 00 00', email: 'kari.nordmann@havneby.example' },
        { name: 'Per Olsen', role: 'Kommunikasjonsrådgiver', email: 'presse@havneby.example' },
      ],
      images: [
        {
          url: drawn,
          alt: 'Ferja ligger ved kai i Havneby',
          caption: 'MF «Ytterøya» ved kai i Havneby.',
          credit: 'Ola Nordmann',
        },
        { url: `${drawn}?2`, alt: 'Ladetårnet på Ytterøya', credit: 'Ola Nordmann' },
      ],
      documents: [
        {
          url: 'https://files.example/ruter.pdf',
          title: 'Rutetabell fra 1. juni',
          type: 'application/pdf',
          size: 1_240_000,
        },
      ],
      links: [{ url: 'https://havneby.example/ferja', title: 'Mer om ferja' }],
    },
  })
  await givenCorrection(pool, newsroom, new Date(Date.now() - 3 * day))
  for (let count = 1; count <= 24; count++)
    await givenRelease(pool, newsroom, {
      publishedAt: new Date(Date.now() - (5 + count) * day),
      topics: ['finance'],
      content: {
        languages: {
          nb: {
            title: `Kommunestyret vedtok budsjettet for ${2026 - count}`,
            lead:
              count % 3
                ? 'Mer til skole og eldreomsorg, mindre til vei. Eiendomsskatten holdes uendret for tredje år på rad.'
                : '',
            bodyHtml: '<p>Vedtaket var enstemmig.</p>',
          },
        },
      },
    })
}

/** A release as it came, and what a correction an hour later made of it. */
async function givenCorrection(pool: Pool, newsroom: Newsroom, publishedAt: Date): Promise<void> {
  const text = (millions: number) => ({
    title: `Havneby får ${millions} millioner til ny svømmehall`,
    lead: `Tilskuddet er ${millions} millioner kroner.`,
    bodyHtml: '<p>Byggingen starter i høst.</p>',
  })
  const release = sampleRelease(newsroom, { publishedAt })
  const first = { ...release, content: { ...release.content, languages: { nb: text(21) } } }
  await insertRelease(pool, first, publishedAt)
  const contacts = [{ name: 'Kari Nordmann', phone: '+47 22 00 00 00' }]
  const second = { ...first.content, languages: { nb: text(12) }, contacts }
  const anHourLater = new Date(publishedAt.getTime() + 3_600_000)
  await addRevision(pool, { ...first, revision: 2, kind: 'correction', content: second }, anHourLater)
}
