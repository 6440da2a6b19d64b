import type { Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'

/** The forms a feed is told in: what its address ends in, its media type, and what people call it. */
export const feedForms = {
  atom: { type: 'application/atom+xml', name: 'Atom' },
  rss: { type: 'application/rss+xml', name: 'RSS' },
  json: { type: 'application/feed+json', name: 'JSON Feed' },
} as const
export type FeedForm = keyof typeof feedForms

/** What a feed holds: everything, or what is written in a language, or what is about a topic. */
export type FeedScope = { readonly language: Language | null; readonly topic: string | null }

/** The one address of a feed, wherever it is linked from and whatever was added to it on the way. */
export function feedPath(newsroom: Pick<Newsroom, 'slug'>, form: FeedForm, scope: FeedScope): string {
  const query = new URLSearchParams()
  if (scope.language) query.set('language', scope.language)
  if (scope.topic) query.set('topic', scope.topic)
  return `/newsrooms/${newsroom.slug}/feed.${form}${query.size > 0 ? `?${query}` : ''}`
}

/** What a page tells browsers and feed readers of its feeds. */
export const feedLinks = (newsroom: Newsroom, scope: FeedScope, language: Language) =>
  (Object.keys(feedForms) as FeedForm[]).map((form) => ({
    ...feedForms[form],
    href: feedPath(newsroom, form, scope),
    title: `${wordsFor(language, 'pages')('newsroom.title', { newsroom: newsroom.name })} (${feedForms[form].name})`,
  }))
