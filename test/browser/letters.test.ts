import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HtmlValidate } from 'html-validate'
import type { Page } from 'playwright-core'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sampleLetters } from '../../services/cli/letters-preview.ts'
import { pictures, sampleDrawings } from '../../services/cli/letters-preview-samples.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import { naughtyRelease } from '../given/naughty-release.ts'
import { axeFaultsInEveryLook, type Look } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

const htmlOf = async (letter: PreparedLetter) => {
  const reader = {
    to: 'ola@example.com',
    messageId: '1@example.com',
    date: 'Tue, 03 Nov 2026 08:05:30 +0000',
    token: 't'.repeat(64),
  }
  return (await PostalMime.parse(letterBytes(letter, reader))).html!
}

describe.skipIf(!hasChromium)('letters in a browser', () => {
  let browser: Chromium
  /** Where one letter after the other is looked at. */
  let page: Page
  const htmls = new Map<string, string>()

  beforeAll(async () => {
    browser = await openChromium()
    for (const { name, letter } of await sampleLetters()) htmls.set(name, await htmlOf(letter))
    page = await pageWith('', 320, 'light')
  })
  afterAll(() => browser?.close())

  const pageWith = async (html: string, width: number, colorScheme: 'light' | 'dark', withPictures = true) => {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    const page = await context.newPage()
    await page.route('**/*', (route) => {
      const drawing = sampleDrawings[route.request().url().replace(pictures, '')]
      return drawing && withPictures ? route.fulfill({ contentType: 'image/svg+xml', body: drawing }) : route.abort()
    })
    await page.setContent(html)
    return page
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
    const page = await pageWith(htmls.get('release-nb')!, 600, scheme, false)
    expect(await page.locator('img').evaluateAll((images) => images.map((image) => image.getAttribute('alt')))).toEqual(
      [
        'Fjordvik kommune',
        'Den elektriske fergen «Havørna» legger fra kai i Fjordvik ved soloppgang',
        'Ladetårnet på fergekaien på Sandøya',
      ],
    )
    await page.context().close()
  })

  test('every link is as large as a finger needs', async () => {
    const page = await pageWith(htmls.get('release-nb')!, 320, 'light')
    const heights = await page
      .locator('a:not(li a, p:has-text("Hele ruteplanen") a)')
      .evaluateAll((links) => links.map((link) => link.getBoundingClientRect().height))
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(32)
    await page.context().close()
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
    const page = await pageWith('', 600, 'light')
    const loaded: string[] = []
    page.on('request', (request) => loaded.push(request.url()))
    await page.setContent(htmls.get('release-nb')!)
    await page.waitForLoadState('load')
    expect(loaded.toSorted()).toEqual(['ferge.svg', 'kai.svg', 'logo.svg'].map((name) => pictures + name))
    await page.context().close()
  })

  test.skipIf(!existsSync(corpus))(
    'no naughty string in any field becomes anything a browser would act on',
    async () => {
      const strings: string[] = JSON.parse(readFileSync(corpus, 'utf8'))
      const page = await (await browser.newContext()).newPage()
      const htmlWith = async (text: string) => htmlOf(await prepareReleaseLetter(naughtyRelease(text)))
      const [wanted] = await page.evaluate(shapesOf, [await htmlWith('Hei')])
      expect(wanted!.active).toEqual([])
      // Asked for each letter alone, the browser is spoken to longer than it reads.
      for (let from = 0; from < strings.length; from += 50) {
        const some = strings.slice(from, from + 50)
        const htmls: string[] = []
        for (const naughty of some) htmls.push(await htmlWith(naughty))
        const shapes = await page.evaluate(shapesOf, htmls)
        expect(shapes).toHaveLength(some.length)
        for (const [index, shape] of shapes.entries())
          expect(shape, some[index]).toEqual({ ...wanted, title: expect.stringMatching(/\S/) })
      }
    },
  )
})

/** Runs in the browser: what each parsed letter would do, and whether its own frame still stands. */
function shapesOf(htmls: readonly string[]) {
  // biome-ignore lint/suspicious/noExplicitAny: the browser's own types are not part of this project
  const parser = new (globalThis as any).DOMParser()
  return htmls.map((html) => {
    const dom = parser.parseFromString(html, 'text/html')
    const active: string[] = []
    for (const element of dom.querySelectorAll('*')) {
      if (/^(script|iframe|object|embed|form|svg|math|link|base)$/i.test(element.tagName)) active.push(element.tagName)
      for (const { name, value } of element.attributes) {
        if (
          /^on/i.test(name) ||
          (name !== 'alt' && name !== 'aria-label' && /^\s*(javascript|data|vbscript):/i.test(value))
        )
          active.push(`${name}=${value}`)
        if (name === 'href' && !/^(https?|mailto|tel):/.test(value)) active.push(`href=${value}`)
      }
    }
    return {
      active,
      title: dom.title as string,
      h1: dom.querySelectorAll('h1').length as number,
      frame: [...dom.querySelectorAll('.card, .foot')].map((element) =>
        element.parentElement.getAttribute('role'),
      ) as string[],
      leaving: dom.querySelectorAll('.foot a[href*="/unsubscribe/"]').length as number,
    }
  })
}
