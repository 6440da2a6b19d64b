import { HtmlValidate } from 'html-validate'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { sampleLetters } from '../../services/cli/letters-preview.ts'
import { pictures, sampleDrawings } from '../../services/cli/letters-preview-samples.ts'
import { axeFaultsInEveryLook, type Look } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { htmlOf } from '../rig/letter-html.ts'

describe.skipIf(!hasChromium)('letters in a browser', () => {
  let browser: Chromium
  /** Where one letter after the other is looked at. */
  let page: Page
  let showsPictures = true
  const htmls = new Map<string, string>()

  beforeAll(async () => {
    browser = await openChromium()
    for (const { name, letter } of await sampleLetters()) htmls.set(name, await htmlOf(letter))
    page = await openPage()
  })
  afterAll(() => browser?.close())

  const openPage = async () => {
    const page = await browser.newPage({ viewport: { width: 600, height: 900 } })
    await page.route('**/*', (route) => {
      const drawing = sampleDrawings[route.request().url().replace(pictures, '')]
      return drawing && showsPictures ? route.fulfill({ contentType: 'image/svg+xml', body: drawing }) : route.abort()
    })
    return page
  }
  const show = async (name: string, { width, scheme }: Look) => {
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme: scheme })
    await page.setContent(htmls.get(name)!)
  }

  const shown = [
    'release-nb',
    'release-bare-en',
    'correction-en',
    'withdrawal-nb',
    'digest-nb',
    'digest-one-en',
    'digest-long-nb',
    'confirmation-nb',
    'already-following-en',
  ]
  // Landmarks belong to pages; a letter is shown inside one.
  const leftOut = ['region', 'landmark-one-main']

  test.each(shown)('%s can be read by everyone, on a phone and on a desk, light and dark', async (name) => {
    await page.setContent(htmls.get(name)!)
    const look = async ({ width }: Look) => {
      const widest = await page.evaluate('document.documentElement.scrollWidth')
      expect(widest, 'needs no sideways scrolling').toBeLessThanOrEqual(width)
    }
    expect(await axeFaultsInEveryLook(page, [320, 600, 1200], { leftOut, look })).toEqual([])
  })

  test.each(['light', 'dark'] as const)('makes sense with its pictures off, in %s', async (scheme) => {
    showsPictures = false
    onTestFinished(() => {
      showsPictures = true
    })
    await show('release-nb', { width: 600, scheme })
    expect(await page.locator('img').evaluateAll((images) => images.map((image) => image.getAttribute('alt')))).toEqual(
      [
        'Fjordvik kommune',
        'Den elektriske fergen «Havørna» legger fra kai i Fjordvik ved soloppgang',
        'Ladetårnet på fergekaien på Sandøya',
      ],
    )
  })

  test('every link is as large as a finger needs', async () => {
    await show('release-nb', { width: 320, scheme: 'light' })
    const heights = await page
      .locator('a:not(li a, p:has-text("Hele ruteplanen") a)')
      .evaluateAll((links) => links.map((link) => link.getBoundingClientRect().height))
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(32)
  })

  test('is valid HTML, as letters go', async () => {
    const validator = new HtmlValidate({
      extends: ['html-validate:standard'],
      // Outlook lays tables out by attributes that pages have given up.
      rules: { 'no-deprecated-attr': 'off' },
    })
    for (const name of shown) {
      const report = await validator.validateString(htmls.get(name)!)
      expect(
        report.results.flatMap(({ messages }) =>
          messages.map(({ ruleId, message, line }) => `${name}:${line} ${ruleId}: ${message}`),
        ),
      ).toEqual([])
    }
  })

  test('loads nothing but the release’s own pictures', async () => {
    // One of its own: what another letter has loaded need not be asked for again.
    const page = await openPage()
    const loaded: string[] = []
    page.on('request', (request) => loaded.push(request.url()))
    await page.setContent(htmls.get('release-nb')!)
    await page.waitForLoadState('load')
    expect(loaded.toSorted()).toEqual(['ferge.svg', 'kai.svg', 'logo.svg'].map((name) => pictures + name))
    await page.context().close()
  })
})
