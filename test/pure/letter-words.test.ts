import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { sampleLetters } from '../../services/cli/letters-preview.ts'
import { type Language, languages } from '../../shared/language/language.ts'
import { wordsFor } from '../../shared/language/words.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import { contrast, looksOf, paper } from '../../shared/letter/looks.ts'
import { toldDay, toldDocument, toldHour, toldMoment, toldZone } from '../../shared/letter/told.ts'

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

// As each of these languages writes the hour: with a full stop, but for English.
test.each([
  ['nb', '3. november 2026 kl. 09.05 (sentraleuropeisk tid)'],
  ['nn', '3. november 2026 kl. 09.05 (sentraleuropeisk tid)'],
  ['se', 'skábmamánu 3. b. 2026 dii. 09.05 (gaska-Eurohpá áigi)'],
  ['en', '3 November 2026 at 09:05 (Central European Time)'],
  ['sv', '3 november 2026 kl. 09.05 (centraleuropeisk tid)'],
  ['da', '3. november 2026 kl. 09.05 (centraleuropæisk tid)'],
  ['fi', '3. marraskuuta 2026 klo 9.05 (Keski-Euroopan aika)'],
] as const)('an hour is told in %s in the zone the publisher meant', (language, told) => {
  const at = new Date('2026-11-03T08:05:00Z')
  const plain = (text: string) => text.replaceAll('\u00a0', ' ')
  expect(plain(toldMoment(at, 'Europe/Oslo', language))).toBe(told)
  const [hour, zone] = told.slice(0, -1).split(' (')
  expect(plain(toldHour(at, 'Europe/Oslo', language))).toBe(hour)
  expect(toldZone(at, 'Europe/Oslo', language)).toBe(zone)
  // “kl.” at the end of one line and the hour on the next would be read as a full stop.
  if (language !== 'en') expect(toldHour(at, 'Europe/Oslo', language)).toMatch(/\u00a00?9\.05$/)
  expect(hour).toContain(toldDay(at, 'Europe/Oslo', language))
})

test('“e-post” is not torn in two on a page or in a letter, and in plain text its hyphen is a hyphen', async () => {
  expect(wordsFor('nb', 'pages')('follow.language')).toBe('Språk i e\u2011postene')
  expect(wordsFor('nb', 'pages')('follow.email')).toBe('E-postadresse')
  expect(wordsFor('sv', 'pages')('home.lead')).toContain('e\u2011post')
  expect(wordsFor('se', 'pages')('follow.title')).toContain('e\u2011poas')
  expect(wordsFor('en', 'pages')('follow.email')).toBe('Email address')
  for (const { name, letter } of (await sampleLetters()).filter(({ letter }) => letter.language === 'nb')) {
    const reader = { to: 'ola@example.com', messageId: '1@example.com', date: 'x', token: 't'.repeat(64) }
    const { html = '', text = '', subject } = await PostalMime.parse(letterBytes(letter, reader))
    expect(html, name).toMatch(/e\u2011post/)
    expect(html, name).not.toMatch(/>[^<]*\be-post/)
    expect(text, name).toMatch(/e-post/)
    expect(`${subject}${text}`, name).not.toContain('\u2011')
  }
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
