import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from './sources.ts'

const foreign = new Set(['node_modules', 'dist', 'letters-preview'])

/** Every page of words in the project, as paths from its root. */
function findPages(folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name.startsWith('.') || foreign.has(entry.name) ? [] : findPages(path)
    return entry.name.endsWith('.md') ? [relative(root, path)] : []
  })
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')
/** Code is shown, not followed. */
const withoutCode = (text: string) => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '')

const linksOf = (page: string) =>
  [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)]
    .map(([, inText, inMarkup]) => inText ?? inMarkup ?? '')
    .filter((target) => !/^[a-z]+:/i.test(target))

/** Where a heading can be linked to, as code hosts reckon it. */
const anchorsOf = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  )

const pages = findPages()

describe('links between our pages', () => {
  test('are really read', () => {
    expect(pages).toContain('README.md')
    expect(pages).toContain('docs/architecture.md')
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(40)
  })

  test('lead to a file there is, and to a heading in it', () => {
    const lost: string[] = []
    for (const page of pages)
      for (const link of linksOf(page)) {
        const [path, anchor] = link.split('#') as [string, string | undefined]
        const target = path === '' ? page : relative(root, join(root, dirname(page), decodeURIComponent(path)))
        const isThere = existsSync(join(root, target))
        if (!isThere || (anchor && !anchorsOf(target).includes(anchor))) lost.push(`${page} → ${link}`)
      }
    expect(lost).toEqual([])
  })

  test('pass by no page of the docs', () => {
    const reached = new Set<string>()
    const visit = (page: string): void => {
      if (reached.has(page) || !page.endsWith('.md') || !existsSync(join(root, page))) return
      reached.add(page)
      for (const link of linksOf(page)) visit(relative(root, join(root, dirname(page), link.split('#')[0]!)))
    }
    visit('README.md')
    expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
  })
})

test('every script and every file a page tells people to run is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const wrong: string[] = []
  for (const page of pages) {
    for (const [, name] of read(page).matchAll(/\bnpm run (?:-s )?([\w:-]+)/g))
      if (!(name! in scripts)) wrong.push(`${page}: npm run ${name}`)
    for (const [, path] of read(page).matchAll(/\bnode (?:--\S+ )*dist\/(\S+?)\.js/g))
      if (!existsSync(join(root, `${path}.ts`))) wrong.push(`${page}: dist/${path}.js`)
  }
  expect(wrong).toEqual([])
})
