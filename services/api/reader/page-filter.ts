import { Type } from 'typebox'
import { isLanguage, type Language, languageNames } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReleaseKind } from '../../../shared/release/release.ts'
import { wordsOf } from '../../../shared/release/release-texts.ts'
import type { ListFilter } from '../../../shared/release/shown-releases.sql.ts'
import { pageQuery } from './page-schemas.ts'

/** What a list is narrowed to, as it stands in an address; empty: not by this. */
export type Narrowing = {
  readonly q: string
  readonly year: string
  readonly topic: string
  readonly kind: string
  /** The language releases are written in; the page's own is `language`. */
  readonly in: string
}
export const narrowings = ['q', 'year', 'topic', 'kind', 'in'] as const

export const listQuery = Type.Object({
  ...pageQuery.properties,
  q: Type.Optional(Type.String({ description: 'Words to look for; all of them, the last may be half typed' })),
  year: Type.Optional(Type.String({ description: 'A year' })),
  topic: Type.Optional(Type.String({ description: 'The id of a topic of the newsroom' })),
  kind: Type.Optional(Type.String({ description: '`release` or `correction`' })),
  in: Type.Optional(Type.String({ description: 'Only what is written in this language' })),
  before: Type.Optional(Type.String({ description: 'The id of a release: those older than it' })),
  after: Type.Optional(Type.String({ description: 'The id of a release: those right before it, newer' })),
})

const kinds = ['release', 'correction'] as const
/** Nobody searches for more, and each is a look into the index. */
const most = { letters: 200, words: 8 }

/** The narrowing an address asks for. What no list can be narrowed to is an address where nothing is. */
export function readNarrowing(newsroom: Newsroom, query: Readonly<Record<string, string | undefined>>): Narrowing {
  const [year = '', topic = '', kind = '', written = ''] = [query.year, query.topic, query.kind, query.in]
  const known =
    (year === '' || /^[12]\d{3}$/.test(year)) &&
    (topic === '' || newsroom.topics.some(({ id }) => id === topic)) &&
    (kind === '' || (kinds as readonly string[]).includes(kind)) &&
    (written === '' || isLanguage(written))
  if (!known) throw new Refusal('NOT_FOUND')
  return { q: (query.q ?? '').slice(0, most.letters).trim(), year, topic, kind, in: written }
}

/** The same for the statements that list. */
export function filterOf(newsroom: Newsroom, narrowing: Narrowing): ListFilter {
  const words = wordsOf(narrowing.q).slice(0, most.words)
  const language = isLanguage(narrowing.in) ? narrowing.in : null
  return {
    // A search for marks alone finds nothing; it is no list of everything.
    words: narrowing.q === '' ? null : words,
    stemmers: language ? [language] : newsroom.languages,
    language,
    topic: narrowing.topic || null,
    kind: (narrowing.kind || null) as ReleaseKind | null,
    year: narrowing.year === '' ? null : Number(narrowing.year),
    zone: newsroom.zone,
  }
}

export const nothingNarrowed: Narrowing = { q: '', year: '', topic: '', kind: '', in: '' }
export const isNarrowed = (narrowing: Narrowing) => narrowings.some((name) => narrowing[name] !== '')

/** The address of a list, narrowed so, in the reader's language. */
export function listHref(
  newsroom: Pick<Newsroom, 'slug'>,
  language: Language,
  narrowing: Narrowing,
  cursor: { readonly before?: string; readonly after?: string } = {},
): string {
  const query = new URLSearchParams({ language })
  for (const name of narrowings) if (narrowing[name] !== '') query.set(name, narrowing[name])
  for (const [name, id] of Object.entries(cursor)) query.set(name, id)
  return `/newsrooms/${newsroom.slug}?${query}`
}

type Choice = { readonly value: string; readonly name: string; readonly chosen: boolean }

/** The form a list is narrowed with: what there is to choose, what is chosen, and how to be rid of it. */
export function narrowingForm(newsroom: Newsroom, narrowing: Narrowing, language: Language, years: readonly number[]) {
  const archive = wordsFor(language, 'archive')
  const pages = wordsFor(language, 'pages')
  const choices = (chosen: string, values: readonly (readonly [string, string])[]): Choice[] =>
    values.map(([value, name]) => ({ value, name, chosen: value === chosen }))
  const told = years.map(String)
  // A year that nothing is of may stand in an address all the same, and then the form says so.
  if (narrowing.year !== '' && !told.includes(narrowing.year)) told.push(narrowing.year)
  const selects = [
    [
      'year',
      choices(
        narrowing.year,
        told.map((year) => [year, year] as const),
      ),
    ],
    [
      'topic',
      choices(
        narrowing.topic,
        newsroom.topics.map((topic) => [topic.id, topicName(topic, language, newsroom.defaultLanguage)] as const),
      ),
    ],
    [
      'kind',
      choices(
        narrowing.kind,
        kinds.map((kind) => [kind, pages(`kind.${kind}`)] as const),
      ),
    ],
    [
      'in',
      choices(
        narrowing.in,
        newsroom.languages.map((tag) => [tag, languageNames[tag]] as const),
      ),
    ],
  ] as const
  return {
    action: `/newsrooms/${newsroom.slug}`,
    q: narrowing.q,
    isOpen: narrowings.some((name) => name !== 'q' && narrowing[name] !== ''),
    selects: selects
      .filter(([name, options]) => options.length > 1 || narrowing[name] !== '')
      .map(([name, options]) => ({
        name,
        label: archive(`filter.${name}`),
        any: archive(`filter.${name}.any`),
        options,
      })),
    chosen: selects.flatMap(([name, options]) =>
      options
        .filter(({ chosen }) => chosen)
        .map((option) => ({ name: option.name, href: listHref(newsroom, language, { ...narrowing, [name]: '' }) })),
    ),
    everything: listHref(newsroom, language, nothingNarrowed),
  }
}
