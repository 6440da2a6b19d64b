import type { Language } from '../language/language.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import { oneLine, paragraphsOf } from './foreign-text.ts'
import { webUrl } from './link-targets.ts'
import { type Looks, looksOf } from './looks.ts'

/** What every letter says of its sender, safe to carry and not yet escaped. */
export type PublisherView = {
  readonly name: string
  readonly url: string
  readonly logoUrl: string | null
  readonly website: string | null
  readonly about: readonly string[]
  readonly legalName: string
  readonly postalAddress: string
  readonly looks: Looks
}

export function publisherView(newsroom: Newsroom, language: Language, publicUrl: string): PublisherView {
  return {
    name: oneLine(newsroom.name),
    url: `${publicUrl}/newsrooms/${encodeURIComponent(newsroom.slug)}`,
    logoUrl: newsroom.logoUrl === null ? null : webUrl(newsroom.logoUrl),
    website: newsroom.website === null ? null : webUrl(newsroom.website),
    about: paragraphsOf(newsroom.about[language] ?? ''),
    legalName: oneLine(newsroom.legalName),
    postalAddress: paragraphsOf(newsroom.postalAddress).join(', '),
    looks: looksOf(newsroom.accent),
  }
}
