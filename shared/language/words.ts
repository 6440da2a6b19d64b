import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IntlMessageFormat } from 'intl-messageformat'
import type { Language } from './language.ts'

export type WordsRoom =
  | 'letters'
  | 'pages'
  | 'digests'
  | 'archive'
  | 'follow'
  | 'choices'
  | 'choice-letters'
  | 'trouble'
export type Words = (key: string, values?: Record<string, string | number | Date>) => string

/**
 * What we say to readers in one language: `words/<language>/<room>.json`, a flat catalogue of ICU messages. A key that
 * is not there is a mistake of ours and throws, so that no reader is ever shown a key.
 */
export function wordsFor(language: Language, room: WordsRoom): Words {
  const name = `${language}/${room}`
  const known = loaded.get(name)
  if (known) return known
  const words = wordsOf(name, localeOf(language), readCatalogue(language, room))
  loaded.set(name, words)
  return words
}

/** The locale `Intl` is asked for: plain `en` would mean American dates. */
export const localeOf = (language: Language): string => (language === 'en' ? 'en-GB' : language)

const loaded = new Map<string, Words>()

const readCatalogue = (language: Language, room: WordsRoom): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'words', language, `${room}.json`), 'utf8'))

/** “E-post” and its kin are one word, which no line should end in the middle of; what begins a text ends none. */
const unbroken = (text: string) => text.replace(/(?<!^)\b(e)-(?=\p{L})/giu, '$1\u2011')

function wordsOf(name: string, locale: string, catalogue: Readonly<Record<string, string>>): Words {
  const compiled = new Map<string, IntlMessageFormat>()
  return (key, values) => {
    let message = compiled.get(key)
    if (!message) {
      if (!Object.hasOwn(catalogue, key)) throw new Error(`There are no words for “${key}” in ${name}.json`)
      message = new IntlMessageFormat(unbroken(catalogue[key]!), locale, undefined, { ignoreTag: true })
      compiled.set(key, message)
    }
    return String(message.format(values))
  }
}
