import type { FastifyRequest } from 'fastify'
import { DateTime } from 'luxon'
import { isLanguage, type Language, languageNames } from '../../../shared/language/language.ts'
import { toldDay } from '../../../shared/letter/told.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import { type Address, parseAddress, withoutBlanksAround } from '../../../shared/subscriber/address.ts'
import { type Frequency, frequencies, type Wishes } from '../../../shared/subscription/subscription.ts'
import { fieldOf, fieldsOf } from './form-body.ts'

/** The fields a fault can be in, in the order they stand; the words are `<field>Fault`. */
export const preferenceFields = ['frequency', 'topics', 'language', 'pause', 'address'] as const
export type PreferenceField = (typeof preferenceFields)[number]

/** What stands in the form: as the reader wrote it, right or wrong. */
export type PreferencesDraft = {
  readonly frequency: string
  readonly topics: readonly string[]
  readonly language: string
  /** A day, as a form's field of that kind has it: 2027-03-01. */
  readonly pause: string
  readonly address: string
}

export type ReadPreferences =
  | { readonly faults: readonly []; readonly wishes: Wishes; readonly address: Address | null }
  | { readonly faults: readonly PreferenceField[] }

/** How far ahead a pause may end, in days: who wants less for longer wants to leave. */
const longestPause = 366

export const draftFrom = (request: FastifyRequest): PreferencesDraft => ({
  frequency: fieldOf(request, 'frequency'),
  topics: fieldsOf(request, 'topics'),
  language: fieldOf(request, 'language'),
  pause: fieldOf(request, 'pause').trim().replaceAll('\u2011', '-'),
  address: withoutBlanksAround(fieldOf(request, 'address')),
})

/** The draft of a reader who has changed nothing. A pause that is over is none. */
export const draftOf = (wishes: Wishes, newsroom: Newsroom, now: Date): PreferencesDraft => ({
  frequency: wishes.frequency,
  topics: wishes.topics,
  language: wishes.language,
  pause: wishes.pausedUntil && wishes.pausedUntil > now ? dayOf(wishes.pausedUntil, newsroom.zone) : '',
  address: '',
})

export function readPreferences(draft: PreferencesDraft, newsroom: Newsroom, now: Date): ReadPreferences {
  const { frequency, topics, language } = draft
  const pausedUntil = draft.pause === '' ? null : dayIn(draft.pause, newsroom.zone, now)
  const address = draft.address === '' ? null : parseAddress(draft.address)
  const known = new Set(newsroom.topics.map(({ id }) => id))
  const isWrong: Record<PreferenceField, boolean> = {
    frequency: !isFrequency(frequency),
    topics: !topics.every((topic) => known.has(topic)),
    language: !isLanguage(language) || !newsroom.languages.includes(language),
    pause: pausedUntil === undefined,
    address: draft.address !== '' && address === null,
  }
  const faults = preferenceFields.filter((field) => isWrong[field])
  if (faults.length > 0 || !isFrequency(frequency) || !isLanguage(language) || pausedUntil === undefined)
    return { faults }
  // In the newsroom's order, and each once, so that the same choice is the same row.
  const chosen = newsroom.topics.map(({ id }) => id).filter((id) => topics.includes(id))
  return { faults: [], wishes: { frequency, language, pausedUntil, topics: chosen }, address }
}

const isFrequency = (text: string): text is Frequency => (frequencies as readonly string[]).includes(text)

const dayOf = (at: Date, zone: string) => DateTime.fromJSDate(at, { zone }).toFormat('yyyy-MM-dd')

/** The beginning of a day in the newsroom's zone; undefined: no day, or not one a pause may end on. */
function dayIn(text: string, zone: string, now: Date): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined
  const day = DateTime.fromISO(text, { zone })
  const today = DateTime.fromJSDate(now, { zone }).startOf('day')
  if (!day.isValid || day <= today || day > today.plus({ days: longestPause })) return undefined
  return day.startOf('day').toJSDate()
}

/** What the page's template shows of the form. */
export function preferencesBox(draft: PreferencesDraft, newsroom: Newsroom, language: Language, now: Date) {
  const today = DateTime.fromJSDate(now, { zone: newsroom.zone }).startOf('day')
  return {
    frequencies: frequencies.map((value) => ({ value, chosen: value === draft.frequency })),
    topics: newsroom.topics.map((topic) => ({
      id: topic.id,
      name: topicName(topic, language, newsroom.defaultLanguage),
      chosen: draft.topics.includes(topic.id),
    })),
    languages: newsroom.languages.map((tag) => ({ tag, name: languageNames[tag], chosen: tag === draft.language })),
    pause: draft.pause,
    earliest: today.plus({ days: 1 }).toFormat('yyyy-MM-dd'),
    latest: today.plus({ days: longestPause }).toFormat('yyyy-MM-dd'),
    example: today.plus({ weeks: 2 }).toFormat('yyyy-MM-dd'),
    address: draft.address,
  }
}

export const toldPause = ({ pausedUntil }: Wishes, newsroom: Newsroom, language: Language, now: Date): string | null =>
  pausedUntil && pausedUntil > now ? toldDay(pausedUntil, newsroom.zone, language) : null
