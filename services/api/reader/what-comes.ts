import { type Language, languageNames } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import type { Subscription } from '../../../shared/subscription/subscription.ts'

/** What a reader will get, told in pairs: before they say yes to it, and of the newsroom's topics as they are now. */
export function whatComes(
  newsroom: Newsroom,
  { topics, frequency, language: spoken }: Pick<Subscription, 'topics' | 'frequency' | 'language'>,
  language: Language,
) {
  const words = wordsFor(language, 'follow')
  const wished = newsroom.topics
    .filter(({ id }) => topics.includes(id))
    .map((topic) => topicName(topic, language, newsroom.defaultLanguage))
  return [
    { term: words('gets'), told: wished.length > 0 ? wished.join(', ') : words('gets.all') },
    { term: words('frequency'), told: words(`frequency.${frequency}`) },
    { term: words('gets.language'), told: languageNames[spoken] },
  ]
}
