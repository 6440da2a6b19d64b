import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const standards = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** The rules of axe that ask for a colour; all others ask for structure and measures. */
const colourRules = ['color-contrast', 'link-in-text-block']

export type Look = { readonly width: number; readonly scheme: 'light' | 'dark' }

/** What axe finds in the page as it stands, but for rules left out. */
export const axeFaults = (page: Page, leftOut: readonly string[] = []): Promise<string[]> =>
  runAxe(page, { runOnly: standards, rules: off(leftOut) })

/**
 * What axe finds in the page at each of these widths, light and dark. A rule is asked again only where its answer could
 * be another: those of structure where some element has another measure, those of colour where one has another colour.
 * `look` is called in each of the looks.
 */
export async function axeFaultsInEveryLook(
  page: Page,
  widths: readonly number[],
  { leftOut = [], look }: { leftOut?: readonly string[]; look?: (at: Look) => Promise<void> } = {},
): Promise<string[]> {
  await page.evaluate('globalThis.looksSeen = new Set()')
  const faults: string[] = []
  for (const width of widths)
    for (const scheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme: scheme })
      const { measures, colours } = await page.evaluate<{ measures: boolean; colours: boolean }>(whatIsNew)
      const asked = measures
        ? { runOnly: standards, rules: off(colours ? leftOut : [...leftOut, ...colourRules]) }
        : { runOnly: { type: 'rule', values: colourRules } }
      if (measures || colours) for (const fault of await runAxe(page, asked)) faults.push(`${width} ${scheme} ${fault}`)
      await look?.({ width, scheme })
    }
  return faults
}

const off = (rules: readonly string[]) => Object.fromEntries(rules.map((rule) => [rule, { enabled: false }]))

async function runAxe(page: Page, options: object): Promise<string[]> {
  // Through the debugger, so that the page's own policy (no foreign script) stays in force.
  if (await page.evaluate<boolean>('typeof axe === "undefined"')) await page.evaluate(axe)
  // What is in order is neither described nor handed over: that is half the work on a long page.
  const asked = JSON.stringify({ ...options, resultTypes: ['violations'], selectors: false })
  const violations = await page.evaluate<Violation[]>(`axe.run(document, ${asked}).then((found) => found.violations)`)
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))
}

type Violation = { readonly id: string; readonly nodes: readonly { html: string; failureSummary: string }[] }

// Contrast asks more of small letters than of large ones: 24 px, or 18.66 px in bold (WCAG 1.4.3). A background is an
// element's own or that of one around it: nothing here is laid over anything.
const whatIsNew = `(() => {
  const measures = [document.body.innerHTML]
  const colours = [document.body.innerHTML]
  for (const element of document.querySelectorAll('body, body *')) {
    const style = getComputedStyle(element)
    const { x, y, width, height } = element.getBoundingClientRect()
    const isShown = style.display + ' ' + style.visibility
    measures.push([isShown, x, y, width, height, style.fontSize, style.fontWeight, style.overflow].join())
    colours.push([isShown, style.color, style.backgroundColor, style.backgroundImage, style.opacity,
      style.textShadow, style.textDecorationLine, style.borderBottom,
      parseFloat(style.fontSize) >= (style.fontWeight >= 700 ? 18.66 : 24)].join())
  }
  const isNew = (look) => !looksSeen.has(look) && Boolean(looksSeen.add(look))
  return { measures: isNew('measures ' + measures.join('|')), colours: isNew('colours ' + colours.join('|')) }
})()`
