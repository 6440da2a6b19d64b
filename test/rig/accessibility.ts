import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const standards = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** The rules of axe that ask for a colour, and those that ask how large a thing is: all others ask what there is. */
const colourRules = ['color-contrast', 'link-in-text-block']
const measureRules = ['target-size', 'scrollable-region-focusable']

export type Look = { readonly width: number; readonly scheme: 'light' | 'dark' }

/** What axe finds in the page as it stands, but for rules left out. */
export const axeFaults = (page: Page, leftOut: readonly string[] = []): Promise<string[]> =>
  runAxe(page, { runOnly: standards, rules: off(leftOut) })

/**
 * What axe finds in the page at each of these widths, light and dark. A rule is asked again only where its answer could
 * be another: those of what there is where something has come into sight or gone, those of measure where some element
 * has another, those of colour where one has another colour. `look` is called in each of the looks.
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
      const { things, measures, colours } = await page.evaluate<LookIsNew>(whatIsNew)
      const again = [...(measures ? measureRules : []), ...(colours ? colourRules : [])]
      const unasked = [...measureRules, ...colourRules].filter((rule) => !again.includes(rule))
      const asked = things
        ? { runOnly: standards, rules: off([...leftOut, ...unasked]) }
        : { runOnly: { type: 'rule', values: again } }
      if (things || again.length > 0)
        for (const fault of await runAxe(page, asked)) faults.push(`${width} ${scheme} ${fault}`)
      await look?.({ width, scheme })
    }
  return faults
}

const off = (rules: readonly string[]) => Object.fromEntries(rules.map((rule) => [rule, { enabled: false }]))

const lookedAt = new WeakSet<Page>()

async function runAxe(page: Page, options: object): Promise<string[]> {
  // Through the debugger, so that the page's own policy (no foreign script) stays in force.
  if (await page.evaluate<boolean>('typeof axe === "undefined"')) {
    // A page that shows one thing after another keeps it, rather than being handed half a megabyte each time.
    if (lookedAt.has(page)) await page.addInitScript(`if (self === top) { ${axe} }`)
    else lookedAt.add(page)
    await page.evaluate(axe)
  }
  // What is in order is neither described nor handed over: that is half the work on a long page.
  // Nor are frames waited for: the inbox shows a letter in one where no script may run, axe as little as the letter's.
  const asked = JSON.stringify({ ...options, resultTypes: ['violations'], selectors: false, iframes: false })
  const violations = await page.evaluate<Violation[]>(`axe.run(document, ${asked}).then((found) => found.violations)`)
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))
}

type Violation = { readonly id: string; readonly nodes: readonly { html: string; failureSummary: string }[] }

type LookIsNew = { readonly things: boolean; readonly measures: boolean; readonly colours: boolean }

// What is in sight: whether an element is shown, has a size, lies beside the page, and, inside of what cuts off, where.
// Contrast asks more of small letters than of large ones: 24 px, or 18.66 px in bold (WCAG 1.4.3). A background is an
// element's own or that of one around it: nothing here is laid over anything.
const whatIsNew = `(() => {
  const [things, measures, colours] = [[document.body.innerHTML], [document.body.innerHTML], [document.body.innerHTML]]
  const cutters = new Map()
  for (const element of document.querySelectorAll('body, body *')) {
    const style = getComputedStyle(element)
    const { x, y, width, height, right, bottom } = element.getBoundingClientRect()
    const isShown = style.display + ' ' + style.visibility
    const cutter = cutters.get(element.parentElement)
    const within = cutter && [x - cutter.x, y - cutter.y, width, height, cutter.width, cutter.height]
    cutters.set(element, style.overflow === 'visible' ? cutter : { x, y, width, height })
    things.push([isShown, style.opacity, style.position, style.clip, style.clipPath, style.overflow,
      width > 0, height > 0, right > 0, bottom > 0, x < innerWidth, within].join())
    measures.push([isShown, x, y, width, height, style.fontSize, style.fontWeight, style.overflow].join())
    colours.push([isShown, style.color, style.backgroundColor, style.backgroundImage, style.opacity,
      style.textShadow, style.textDecorationLine, style.borderBottom,
      parseFloat(style.fontSize) >= (style.fontWeight >= 700 ? 18.66 : 24)].join())
  }
  const isNew = (look) => !looksSeen.has(look) && Boolean(looksSeen.add(look))
  return {
    things: isNew('things ' + things.join('|')),
    measures: isNew('measures ' + measures.join('|')),
    colours: isNew('colours ' + colours.join('|')),
  }
})()`
