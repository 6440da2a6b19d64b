import type { Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { oneLine, paragraphsOf, safeText } from '../../../shared/letter/foreign-text.ts'
import { webUrl } from '../../../shared/letter/link-targets.ts'
import { shortenHtml } from '../../../shared/letter/shorten-html.ts'
import { toldMoment } from '../../../shared/letter/told.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import type { ReleaseContent, ReleaseId } from '../../../shared/release/release.ts'
import type { ReleaseHeadline } from '../../../shared/release/shown-releases.sql.ts'
import { cleanBody } from './clean-body.ts'
import { nameId } from './feed-ids.ts'
import { type FeedForm, type FeedScope, feedPath } from './feed-links.ts'
import { aboutOf } from './newsroom-page.ts'
import { releaseHref, shownLanguage } from './page-entries.ts'
import { enclosuresOf } from './release-enclosures.ts'

/** What a feed says of itself; all of it plain text. */
export type FeedHead = {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly publisher: string
  readonly language: Language
  readonly page: string
  readonly self: string
  readonly logo: string | null
  readonly updatedAt: string
}

/** One release in a feed; `html` is written by us, the rest is plain text. */
export type FeedEntry = {
  readonly id: string
  readonly address: string
  readonly language: Language
  readonly title: string
  readonly lead: string
  readonly html: string
  readonly topics: readonly { readonly id: string; readonly name: string }[]
  readonly image: string | null
  readonly documents: readonly { url: string; title: string; type: string | null; size: number | null }[]
  readonly publishedAt: Date
  /** Moved by a correction, and by nothing else. */
  readonly updatedAt: Date
}

/** Bytes of a text in a feed; a longer one goes on behind its link. */
const bodyBudget = 20_000

export function feedHead(
  newsroom: Newsroom,
  form: FeedForm,
  scope: FeedScope,
  changedAt: Date,
  publicUrl: string,
): FeedHead {
  const language = scope.language ?? newsroom.defaultLanguage
  const title = wordsFor(language, 'pages')('newsroom.title', { newsroom: oneLine(newsroom.name) })
  const topic = newsroom.topics.find(({ id }) => id === scope.topic)
  const narrowing = new URLSearchParams({ language, ...(scope.topic ? { topic: scope.topic } : {}) })
  return {
    id: nameId(`${newsroom.id} feed ${scope.language ?? ''} ${scope.topic ?? ''}`),
    title: topic ? `${oneLine(topicName(topic, language, newsroom.defaultLanguage))} – ${title}` : title,
    description: oneLine(aboutOf(newsroom, language)?.text ?? title),
    publisher: oneLine(newsroom.name),
    language,
    page: `${publicUrl}/newsrooms/${newsroom.slug}?${narrowing}`,
    self: `${publicUrl}${feedPath(newsroom, form, scope)}`,
    logo: webUrl(newsroom.logoUrl ?? ''),
    updatedAt: changedAt.toISOString(),
  }
}

export function feedEntries(
  newsroom: Newsroom,
  headlines: readonly ReleaseHeadline[],
  contents: ReadonlyMap<ReleaseId, { readonly revision: number; readonly content: ReleaseContent }>,
  head: FeedHead,
  publicUrl: string,
): FeedEntry[] {
  return headlines.flatMap((headline) => {
    const found = contents.get(headline.id)
    // What was withdrawn a moment ago is in the list still, and its text is gone.
    return found ? [entryOf(newsroom, { ...headline, ...found }, head.language, publicUrl)] : []
  })
}

type Told = ReleaseHeadline & { readonly content: ReleaseContent }

function entryOf(newsroom: Newsroom, release: Told, wanted: Language, publicUrl: string): FeedEntry {
  const language = shownLanguage(newsroom, release, wanted)
  const { title = '', lead = '' } = release.content.languages[language] ?? {}
  const address = `${publicUrl}${releaseHref(newsroom, release.id, language)}`
  const { images, documents } = enclosuresOf(release.content, language)
  const isAmended = release.revision > 1 && release.revisedAt > release.publishedAt
  return {
    id: `urn:uuid:${release.id}`,
    address,
    language,
    title: oneLine(title) || oneLine(newsroom.name),
    lead: oneLine(lead),
    html: htmlOf(release, language, address),
    topics: newsroom.topics
      .filter(({ id }) => release.topics.includes(id))
      .map((topic) => ({ id: topic.id, name: oneLine(topicName(topic, language, newsroom.defaultLanguage)) })),
    image: images[0]?.url ?? null,
    documents: documents.map(({ url, title: name, type, size }) => ({
      ...{ url, title: oneLine(name), size: size ?? null },
      type: type && /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : null,
    })),
    publishedAt: release.publishedAt,
    updatedAt: isAmended ? release.revisedAt : release.publishedAt,
  }
}

/** The whole release as one piece of HTML: many feed readers show nothing else. */
function htmlOf(release: Told, language: Language, address: string): string {
  const words = wordsFor(language, 'pages')
  const { images, documents, links, contacts } = enclosuresOf(release.content, language)
  const [picture] = images
  const clean = cleanBody(release, language)
  const body = shortenHtml(clean, bodyBudget)
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0
      ? ''
      : `<h2>${escaped(words(title))}</h2><ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>`
  return [
    release.kind === 'correction'
      ? `<p><strong>${escaped(words('release.corrected', { when: toldMoment(release.revisedAt, release.zone, language) }))}</strong></p>`
      : '',
    ...paragraphsOf(release.content.languages[language]?.lead ?? '').map(
      (line) => `<p><strong>${escaped(line)}</strong></p>`,
    ),
    picture ? `<p><img src="${escaped(picture.url)}" alt="${escaped(oneLine(picture.alt))}"></p>` : '',
    picture?.caption ? `<p>${escaped(oneLine(picture.caption))}</p>` : '',
    body,
    body === clean
      ? ''
      : `<p><a href="${escaped(address)}">${escaped(wordsFor(language, 'letters')('readWhole'))}</a></p>`,
    list(
      'release.documents',
      documents.map(({ url, title, told }) => linked(url, title, told)),
    ),
    list(
      'release.links',
      links.flatMap(({ url, title }) => (url ? [linked(url, title, '')] : [])),
    ),
    list(
      'release.contacts',
      contacts.map(({ name, role, phone, email }) =>
        [name, role, phone, email].flatMap((part) => (part ? [escaped(oneLine(part))] : [])).join(', '),
      ),
    ),
  ].join('')
}

const linked = (url: string, title: string, told: string) =>
  `<a href="${escaped(url)}">${escaped(oneLine(title) || url)}</a>${told ? ` (${escaped(told)})` : ''}`

export const escaped = (text: string) => safeText(text).replace(/[&<>"']/g, (sign) => escapes[sign]!)
const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
