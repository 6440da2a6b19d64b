import { type Language, languageNames } from '../../../shared/language/language.ts'
import { type Words, wordsFor } from '../../../shared/language/words.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import { type Frequency, frequencies } from '../../../shared/subscription/subscription.ts'
import { shownMark } from './form-age.ts'
import type { WishFault } from './sign-up-wish.ts'

/** The form a reader signs up with, on whichever page it stands. */
export type FollowBox = {
  readonly action: string
  readonly consent: string
  readonly email: string
  readonly languages: readonly { tag: Language; name: string; chosen: boolean }[]
  readonly topics: readonly { id: string; name: string; chosen: boolean }[]
  readonly frequencies: readonly { id: Frequency; name: string; chosen: boolean }[]
  readonly fault: WishFault | null
  /** Whether topics and frequency are laid open, or kept folded beside a page's own matter. */
  readonly open: boolean
  /** Where the time the form was shown is sealed in. */
  readonly shown: string
  /** A proof of work is asked for, or a little patience. */
  readonly check: Check | null
  readonly words: Words
}

export type Check = { readonly challenge: string; readonly words: string }

/** What a form is filled in with when it is shown again. */
export type GivenForm = {
  readonly email?: string
  readonly language?: Language
  readonly topics?: readonly string[]
  readonly frequency?: string
  readonly fault?: WishFault
  /** Shown to somebody who has filled it in before. */
  readonly again?: boolean
  readonly open?: boolean
  readonly check?: boolean
}

export function followBox(newsroom: Newsroom, language: Language, given: GivenForm = {}): FollowBox {
  const spoken = newsroom.languages.includes(language) ? language : newsroom.defaultLanguage
  const chosen = given.language ?? spoken
  const words = wordsFor(language, 'follow')
  return {
    action: `/newsrooms/${newsroom.slug}/subscriptions?language=${language}`,
    consent: consentWords(newsroom, language),
    email: given.email ?? '',
    languages: newsroom.languages.map((tag) => ({ tag, name: languageNames[tag], chosen: tag === chosen })),
    topics: newsroom.topics.map((topic) => ({
      id: topic.id,
      name: topicName(topic, language, newsroom.defaultLanguage),
      chosen: given.topics?.includes(topic.id) ?? false,
    })),
    frequencies: frequencies.map((id) => ({
      id,
      name: words(`frequency.${id}`),
      chosen: id === (given.frequency ?? 'immediate'),
    })),
    fault: given.fault ?? null,
    open: given.open ?? false,
    shown: shownMark(newsroom.id, given.again ?? false),
    check: given.check ? checkOf(newsroom, language, words) : null,
    words,
  }
}

const checkOf = ({ slug }: Newsroom, language: Language, words: Words): Check => ({
  challenge: `/newsrooms/${slug}/challenge`,
  words: JSON.stringify({
    language,
    label: words('check.label'),
    verifying: words('check.working'),
    verified: words('check.done'),
    error: words('check.failed'),
    expired: words('check.expired'),
  }),
})

/** The words beside the button: what is shown is what the log of consent keeps. */
export const consentWords = (newsroom: Newsroom, language: Language): string =>
  wordsFor(language, 'pages')('follow.consent', { publisher: newsroom.legalName })
