import type { Language } from '../../../shared/language/language.ts'
import { safeText } from '../../../shared/letter/foreign-text.ts'
import { webUrl } from '../../../shared/letter/link-targets.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { ReleaseText } from '../../../shared/release/release.ts'

type Article = {
  readonly address: string
  readonly text: ReleaseText
  readonly language: Language
  readonly publishedAt: string
  readonly modifiedAt: string
  readonly images: readonly { readonly url: string }[]
}

/** A release as schema.org tells it to search engines: a NewsArticle by its newsroom. */
export function newsArticle(newsroom: Newsroom, article: Article, publicUrl: string): object {
  const logo = webUrl(newsroom.logoUrl ?? '')
  const website = webUrl(newsroom.website ?? '')
  const publisher = {
    '@type': 'Organization',
    name: safeText(newsroom.name),
    url: website ?? `${publicUrl}/newsrooms/${newsroom.slug}`,
    ...(logo ? { logo: { '@type': 'ImageObject', url: logo } } : {}),
  }
  return {
    '@context': 'https://schema.org',
    '@type': 'NewsArticle',
    headline: safeText(article.text.title),
    ...(article.text.lead ? { description: safeText(article.text.lead) } : {}),
    inLanguage: article.language,
    datePublished: article.publishedAt,
    dateModified: article.modifiedAt,
    ...(article.images.length > 0 ? { image: article.images.map(({ url }) => url) } : {}),
    author: publisher,
    publisher,
    mainEntityOfPage: article.address,
    isAccessibleForFree: true,
  }
}
