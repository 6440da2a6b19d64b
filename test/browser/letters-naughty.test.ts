import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import { naughtyRelease } from '../given/naughty-release.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { htmlOf } from '../rig/letter-html.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
/** Letters that are read at once: asked for each letter alone, the browser is spoken to longer than it reads. */
const atOnce = 50

describe.skipIf(!hasChromium || !existsSync(corpus))('letters in a browser, whatever a publisher writes', () => {
  let browser: Chromium

  beforeAll(async () => {
    browser = await openChromium()
  })
  afterAll(() => browser?.close())

  const lettersWith = async (texts: readonly string[]) => {
    const htmls: string[] = []
    for (const text of texts) htmls.push(await htmlOf(await prepareReleaseLetter(naughtyRelease(text))))
    return htmls
  }

  test('no naughty string in any field becomes anything a browser would act on', async () => {
    const strings: string[] = JSON.parse(readFileSync(corpus, 'utf8'))
    const page = await browser.newPage()
    const [wanted] = await page.evaluate(shapesOf, await lettersWith(['Hei']))
    expect(wanted!.active).toEqual([])
    let htmls = await lettersWith(strings.slice(0, atOnce))
    for (let from = 0; from < strings.length; from += atOnce) {
      const some = strings.slice(from, from + atOnce)
      // The next are written while the browser reads these.
      const [shapes, next] = await Promise.all([
        page.evaluate(shapesOf, htmls),
        lettersWith(strings.slice(from + atOnce, from + 2 * atOnce)),
      ])
      expect(shapes).toHaveLength(some.length)
      for (const [index, shape] of shapes.entries())
        expect(shape, some[index]).toEqual({ ...wanted, title: expect.stringMatching(/\S/) })
      htmls = next
    }
  })
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
