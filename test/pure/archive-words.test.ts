import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { languages } from '../../shared/language/language.ts'
import { wordsFor } from '../../shared/language/words.ts'

const root = join(import.meta.dirname, '../..')
const catalogueOf = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'shared/language/words', language, 'archive.json'), 'utf8'))
const english = catalogueOf('en')
const keys = Object.keys(english)
const values = { asked: 'ferje', title: 'T', when: 'W', parts: 'P', count: 2 }
const placesIn = (message: string) => Object.keys(values).filter((name) => new RegExp(`\\{${name}[,}]`).test(message))

describe.each(languages)('the words of lists, searches and feeds in %s', (language) => {
  const catalogue = catalogueOf(language)

  test('are the same keys in the same order, with the same places to fill', () => {
    expect(Object.keys(catalogue)).toEqual(keys)
    for (const key of keys) expect([key, placesIn(catalogue[key]!)]).toEqual([key, placesIn(english[key]!)])
  })

  test('can be said, of one and of many, and hold neither markup nor loose blanks', () => {
    const archive = wordsFor(language, 'archive')
    for (const count of [0, 1, 2, 21, 10_000])
      for (const key of keys) expect(archive(key, { ...values, count })).not.toMatch(/[{}<>]|undefined|\s\s|^\s|\s$/)
  })

  test.runIf(language !== 'en')('are said in that language, not left in English', () => {
    const shared = new Set(['filter.kind', 'part.links'])
    for (const key of keys) if (!shared.has(key)) expect([key, catalogue[key]]).not.toEqual([key, english[key]])
  })
})

test('every key is used by a page, and every key a page names is there', () => {
  const reader = join(root, 'services/api/reader')
  const sources = readdirSync(reader, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|eta)$/.test(name))
    .map((name) => readFileSync(join(reader, name), 'utf8'))
    .join('\n')
  const named = [...sources.matchAll(/\barchive\(\s*'([\w.]+)'/g)].map((match) => match[1]!)
  for (const key of named) if (!key.endsWith('.')) expect(keys).toContain(key)
  // Some are named by their beginning: `'part.' + part`, `filter.${name}`.
  const isNamed = (key: string) =>
    sources.includes(`'${key}'`) || /^(?:part|filter|neighbours)\.\w+(?:\.any)?$/.test(key)
  expect(keys.filter((key) => !isNamed(key))).toEqual([])
})
