import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Language, languages } from '../../shared/language/language.ts'
import { wordsFor } from '../../shared/language/words.ts'
import { contrast, looksOf, paper } from '../../shared/letter/looks.ts'
import { toldDocument, toldMoment } from '../../shared/letter/told.ts'

const fileOf = (language: Language, room: string) =>
  join(import.meta.dirname, '../../shared/language/words', language, `${room}.json`)
const catalogue = (language: Language, room: string): Record<string, string> =>
  JSON.parse(readFileSync(fileOf(language, room), 'utf8'))
// In a plural, what stands in braces without a comma may be words.
const namesIn = (message: string) =>
  [...message.matchAll(/, (?:plural|select),/.test(message) ? /\{(\w+),/g : /\{(\w+)[,}]/g)].map(([, name]) => name)

describe.each(['letters', 'pages', 'digests', 'choices', 'choice-letters'] as const)('the words of %s', (room) => {
  const written = languages.filter((language) => existsSync(fileOf(language, room)))

  test.skipIf(written.length === 0).each(languages)(
    'say everything in %s, and name nothing that English does not',
    (language) => {
      const [ours, english] = [catalogue(language, room), catalogue('en', room)]
      expect(Object.keys(ours).toSorted()).toEqual(Object.keys(english).toSorted())
      for (const key of Object.keys(english)) {
        expect(ours[key]!.trim(), key).not.toBe('')
        expect(namesIn(english[key]!), key).toEqual(expect.arrayContaining(namesIn(ours[key]!)))
      }
    },
  )
})

test('words that are not there are a mistake, not a key shown to a reader', () => {
  expect(() => wordsFor('nb', 'letters')('nothing.of.the.kind')).toThrow('nothing.of.the.kind')
  expect(wordsFor('nb', 'letters')('contacts', { count: 2 })).toBe('Kontaktpersoner')
  expect(wordsFor('en', 'letters')('about', { newsroom: '<b>A & B</b>' })).toBe('About <b>A & B</b>')
})

test.each([
  ['nb', '3. november 2026 kl. 09:05 (sentraleuropeisk tid)'],
  ['se', 'skábmamánu 3. b. 2026 dii. 09:05 (gaska-Eurohpá áigi)'],
  ['en', '3 November 2026 at 09:05 (Central European Time)'],
  ['fi', '3. marraskuuta 2026 klo 9.05 (Keski-Euroopan aika)'],
] as const)('an hour is told in %s in the zone the publisher meant', (language, told) => {
  expect(toldMoment(new Date('2026-11-03T08:05:00Z'), 'Europe/Oslo', language)).toBe(told)
})

test('a document is told by its kind and size, or by what is known of it', () => {
  const plain = (text: string) => text.replace(/\u00a0/g, ' ')
  expect(plain(toldDocument({ url: 'https://example.com/a', type: 'application/pdf', size: 1_240_000 }, 'nb'))).toBe(
    'PDF, 1,2 MB',
  )
  expect(plain(toldDocument({ url: 'https://example.com/plan.odt?x=1' }, 'en'))).toBe('ODT')
  expect(toldDocument({ url: 'https://example.com/a', type: '<b>', size: -1 }, 'en')).toBe('')
})

test('any accent colour gives text that can be read, in light and in dark', () => {
  for (const accent of ['#000000', '#ffffff', '#ffee00', '#0b7a75', '#ff0000', '#7f7f7f', 'not a colour', '#00ffff']) {
    const looks = looksOf(accent)
    for (const background of [paper.page, paper.card])
      expect(contrast(looks.link, background), accent).toBeGreaterThanOrEqual(4.5)
    expect(contrast(looks.darkLink, paper.darkCard), accent).toBeGreaterThanOrEqual(4.5)
    expect(contrast(looks.buttonInk, looks.button), accent).toBeGreaterThanOrEqual(4.5)
    expect(contrast(looks.darkButtonInk, looks.darkButton), accent).toBeGreaterThanOrEqual(4.5)
  }
})
