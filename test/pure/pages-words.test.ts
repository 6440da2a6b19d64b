import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { languages } from '../../shared/language/language.ts'
import { wordsFor } from '../../shared/language/words.ts'

const root = join(import.meta.dirname, '../..')
const catalogueOf = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'shared/language/words', language, 'pages.json'), 'utf8'))
const reader = join(root, 'services/api/reader')
const sources = readdirSync(reader, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(?:ts|eta)$/.test(name))
  .map((name) => readFileSync(join(reader, name), 'utf8'))
  .join('\n')
const english = catalogueOf('en')
const keys = Object.keys(english)
const values = { newsroom: 'Havneby', publisher: 'Havneby', title: 'T', when: 'W', credit: 'C', number: 2, minutes: 5 }
const placesIn = (message: string) => Object.keys(values).filter((name) => new RegExp(`\\{${name}[,}]`).test(message))

describe.each(languages)('the words of the pages in %s', (language) => {
  const catalogue = catalogueOf(language)

  test('are the same keys in the same order', () => {
    expect(Object.keys(catalogue)).toEqual(keys)
  })

  test('speak of nothing a page does not tell them', () => {
    for (const key of keys)
      expect([key, placesIn(english[key]!)]).toEqual([key, expect.arrayContaining(placesIn(catalogue[key]!))])
  })

  test('can be said, and hold neither markup nor loose blanks', () => {
    const words = wordsFor(language, 'pages')
    for (const key of keys) {
      expect(words(key, values)).not.toMatch(/[{}<>]|undefined|\s\s|^\s|\s$/)
      expect(words(key, { ...values, minutes: 1, number: 1 })).not.toBe('')
    }
  })

  test.runIf(language !== 'en')('are said in that language, not left in English', () => {
    // Loanwords that are the same by right.
    const shared = new Set(['follow.credit', 'release.links'])
    for (const key of keys) if (!shared.has(key)) expect([key, catalogue[key]]).not.toEqual([key, english[key]])
  })
})

test('every key is used by a page, and every key a page names is there', () => {
  const named = new Set([...sources.matchAll(/words\(\s*'([\w.]+)'/g)].map((match) => match[1]!))
  const elsewhere = readdirSync(join(root, 'shared/language/words/en')).flatMap((name) =>
    Object.keys(JSON.parse(readFileSync(join(root, 'shared/language/words/en', name), 'utf8'))),
  )
  for (const key of named) expect(elsewhere).toContain(key)
  // Notes and refusals are named by their beginning: `<note>.title`, `<note>.body`, `<note>.button`.
  const unused = keys.filter(
    (key) => !sources.includes(`'${key}'`) && !sources.includes(`'${key.replace(/\.\w+$/, '')}'`),
  )
  const fromRefusals = unused.filter((key) => !sources.includes(`'${key.split('.')[1]}'`))
  expect(fromRefusals).toEqual([])
})
