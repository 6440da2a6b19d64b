import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { languages } from '../../shared/language/language.ts'
import { wordsFor } from '../../shared/language/words.ts'

const root = join(import.meta.dirname, '../..')
const catalogueOf = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'shared/language/words', language, 'follow.json'), 'utf8'))
const sources = ['services/api/reader', 'shared/snippet']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:ts|eta)$/.test(name))
      .map((name) => readFileSync(join(root, folder, name), 'utf8')),
  )
  .join('\n')
const keys = Object.keys(catalogueOf('en'))

describe.each(languages)('the words of following in %s', (language) => {
  const catalogue = catalogueOf(language)

  test('are the same keys in the same order', () => {
    expect(Object.keys(catalogue)).toEqual(keys)
  })

  test('can be said, and hold neither markup nor loose blanks', () => {
    const words = wordsFor(language, 'follow')
    for (const key of keys) expect(words(key, { newsroom: 'Havneby' })).not.toMatch(/[{}<>]|undefined|\s\s|^\s|\s$/)
  })

  test.runIf(language !== 'en')('are said in that language, not left in English', () => {
    const english = catalogueOf('en')
    for (const key of keys) expect([key, catalogue[key]]).not.toEqual([key, english[key]])
  })
})

test('every word of following is said somewhere', () => {
  // Frequencies and notes are named by their beginning: `frequency.${id}`, `<note>.title`, `<note>.body`.
  const isSaid = (key: string) =>
    sources.includes(`'${key}'`) ||
    sources.includes(`\`${key.replace(/\.\w+$/, '')}.\${`) ||
    sources.includes(`'${key.replace(/\.\w+$/, '')}'`)
  expect(keys.filter((key) => !isSaid(key))).toEqual([])
})
