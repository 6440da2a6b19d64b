import { type Language, languageNames } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'

export type FollowFault = 'address' | 'language'

/** The form a reader signs up with, on whichever page it stands. */
export type FollowBox = {
  readonly action: string
  readonly consent: string
  readonly email: string
  readonly languages: readonly { tag: Language; name: string; chosen: boolean }[]
  readonly fault: FollowFault | null
}

export function followBox(
  newsroom: Newsroom,
  language: Language,
  given: { email?: string; language?: Language; fault?: FollowFault } = {},
): FollowBox {
  const spoken = newsroom.languages.includes(language) ? language : newsroom.defaultLanguage
  const chosen = given.language ?? spoken
  return {
    action: `/newsrooms/${newsroom.slug}/subscriptions?language=${language}`,
    consent: consentWords(newsroom, language),
    email: given.email ?? '',
    languages: newsroom.languages.map((tag) => ({ tag, name: languageNames[tag], chosen: tag === chosen })),
    fault: given.fault ?? null,
  }
}

/** The words beside the button: what is shown is what the log of consent keeps. */
export const consentWords = (newsroom: Newsroom, language: Language): string =>
  wordsFor(language, 'pages')('follow.consent', { publisher: newsroom.legalName })
