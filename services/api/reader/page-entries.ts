import { chooseLanguage, isLanguage, type Language } from '../../../shared/language/language.ts'
import { toldHour, toldMoment } from '../../../shared/letter/told.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { marks, type ReleaseHeadline } from '../../../shared/release/shown-releases.sql.ts'

/** A stretch of text, and whether it was asked for. */
export type Stretch = { readonly text: string; readonly isAsked: boolean }

/**
 * A release in a list, in the language the reader reads or the nearest there is. Its hour is in `zone`, which the page
 * tells once; a release published in another says so itself.
 */
export function entryOf(newsroom: Newsroom, headline: ReleaseHeadline, language: Language, zone = newsroom.zone) {
  const shown = shownLanguage(newsroom, headline, language)
  const { title = '', lead = '', marked = null } = headline.texts[shown] ?? {}
  return {
    href: releaseHref(newsroom, headline.id, language),
    language: shown,
    title,
    titleMarked: stretches(marked?.title ?? null, title),
    lead,
    leadMarked: stretches(marked?.lead ?? null, lead),
    kind: headline.kind,
    at: headline.publishedAt.toISOString(),
    told: (headline.zone === zone ? toldHour : toldMoment)(headline.publishedAt, headline.zone, language),
  }
}

export const releaseHref = (newsroom: Pick<Newsroom, 'slug'>, id: string, language: Language) =>
  `/newsrooms/${newsroom.slug}/releases/${id}?language=${language}`

export const shownLanguage = (newsroom: Newsroom, { texts }: Pick<ReleaseHeadline, 'texts'>, language: Language) =>
  chooseLanguage(language, newsroom.defaultLanguage, Object.keys(texts).filter(isLanguage))

/** A marked text cut at its marks; where marking has changed anything else, the text as it is. */
export function stretches(marked: string | null, text: string): Stretch[] {
  const cut = (marked ?? text).split(new RegExp(`[${marks.start}${marks.end}]`))
  if (cut.join('') !== text) return [{ text, isAsked: false }]
  return cut.map((part, index) => ({ text: part, isAsked: index % 2 === 1 })).filter((part) => part.text !== '')
}
