import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { axeFaultsInEveryLook } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'

/** Faults that are there in some looks alone: each must be found, though most rules are not asked anew in each look. */
const wide = '@media (min-width: 1000px)'
const dark = '@media (prefers-color-scheme: dark)'
const nameless = '<button id="nameless" type="button"></button>'
const links = '<ul><li><a href="/a">A</a></li><li><a href="/b">B</a></li></ul>'
const faults: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['nothing', 'li { height: 40px }', links, []],
  [
    'a thing shown on a wide screen',
    `#nameless { display: none } ${wide} { #nameless { display: block } }`,
    nameless,
    ['1200 light button-name'],
  ],
  [
    'a thing beside a landmark',
    `#o { display: none } ${wide} { #o { display: block } }`,
    '</main><p id="o">Out</p><main hidden>',
    ['1200 light region'],
  ],
  [
    'a box that can be scrolled',
    `p { margin: 0; line-height: 30px } #box { height: 40px; overflow: auto } ${wide} { #box { height: 10px } }`,
    '<div id="box"><p>A line</p></div>',
    ['1200 light scrollable-region-focusable'],
  ],
  [
    'small targets',
    `li { height: 40px } ${wide} { li { display: inline-block; font-size: 9px } li, a { height: 9px } }`,
    links,
    ['1200 light target-size', '1200 light target-size'],
  ],
  ['faint letters in the dark', `${dark} { #text { color: #222; background: #111 } }`, '', ['320 dark color-contrast']],
  [
    'letters too small to be so faint',
    `#text { color: #888; background: #fff; font-size: 30px } ${wide} { #text { font-size: 12px } }`,
    '',
    ['1200 light color-contrast', '1200 dark color-contrast'],
  ],
]

describe.skipIf(!hasChromium)('a look at a page at every width, light and dark, finds', () => {
  let browser: Chromium
  /** Where one fault after the other is looked for. */
  let page: Page

  beforeAll(async () => {
    browser = await openChromium()
    page = await browser.newPage()
  })
  afterAll(() => browser?.close())

  test.each(faults)('%s', async (_name, style, body, expected) => {
    await page.setContent(`<!DOCTYPE html>
      <html lang="en">
      <head>
        <title>Looks</title>
        <style>:root { color-scheme: light dark } body { background: Canvas; color: CanvasText } ${style}</style>
      </head>
      <body><main><h1>Looks</h1><p id="text">Words to read</p>${body}</main></body>
      </html>`)
    const found = await axeFaultsInEveryLook(page, [320, 1200])
    expect(found.map((fault) => fault.slice(0, fault.indexOf(':')))).toEqual(expected)
  })
})
