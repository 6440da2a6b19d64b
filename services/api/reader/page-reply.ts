import { join } from 'node:path'
import { Eta } from 'eta'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Language, languageNames } from '../../../shared/language/language.ts'
import { type Words, wordsFor } from '../../../shared/language/words.ts'
import { oneLine, safeText } from '../../../shared/letter/foreign-text.ts'
import { webUrl } from '../../../shared/letter/link-targets.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { KeptAnswers } from './kept-answers.ts'
import { isKnownTo, tagOf } from './known-answers.ts'
import { lookPath, stylePath } from './page-assets.ts'
import { policyWithScript } from './page-headers.ts'
import { pictureUrl } from './release-enclosures.ts'

export type Page = {
  /** A file in `pages/`. */
  readonly template: string
  readonly language: Language
  /** What the page is about, in the words a reader's tab and bookmark will show. */
  readonly title: string
  /** Whose page it is; null where it is nobody's. */
  readonly newsroom: Newsroom | null
  /** The languages the page can be had in, each at its own address; empty: no choice is shown. */
  readonly languages?: readonly Language[]
  readonly status?: number
  /** For those who find the page by search or share it. */
  readonly about?: PageAbout
  /** Found only by those who look for it here: search engines are asked to leave it out. */
  readonly isUnlisted?: boolean
  /** The feeds of what the page shows, for programs that look for them. */
  readonly feeds?: readonly { readonly href: string; readonly type: string; readonly title: string }[]
  /** Whether it brings a script of ours; all others run none. */
  readonly scripts?: boolean
  /** What only this template knows. */
  readonly values?: object
}

export type PageAbout = {
  readonly description: string
  /** Where the page is, whole and in no language. */
  readonly address: string
  readonly image?: { readonly url: string; readonly alt: string } | undefined
  /** Of an article, when it came out and last changed: RFC 3339. */
  readonly article?: { readonly publishedAt: string; readonly modifiedAt: string }
  /** The same for programs that read schema.org. */
  readonly linkedData?: object
}

/** Every template is given these, and the page's own values. */
type Frame = {
  readonly page: Page
  readonly words: Words
  readonly archive: Words
  /** The words of a reader's choices. */
  readonly say: Words
  readonly stylePath: string
  readonly lookPath: string | null
  readonly website: string | null
  readonly logoUrl: string | null
  readonly languageLinks: readonly { language: Language; name: string; href: string; current: boolean }[]
  /** The one address of this page among all it can be found at, and that of each of its languages. */
  readonly canonical: string | null
  readonly alternates: readonly { language: string; href: string }[]
  readonly linkedData: string | null
}

/** A page as it is sent, but for the times in its forms. */
export type WrittenPage = { readonly html: string; readonly language: Language; readonly etag: string }
export type KeptPages = KeptAnswers<WrittenPage>

/** Answers with a page. What is public may be kept by a browser, which asks each time whether it still stands. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  const written = writePage(request, page)
  reply.status(page.status ?? 200)
  if (page.scripts) reply.header('content-security-policy', policyWithScript)
  if (!reply.hasHeader('cache-control') && reply.statusCode === 200 && request.method !== 'POST')
    return sendWritten(request, reply, written)
  nameAs(reply, page.language)
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  return reply.send(written.html)
}

export function writePage({ url }: FastifyRequest, page: Page): WrittenPage {
  const html = renderPage(page, url)
  return { html, language: page.language, etag: tagOf(html) }
}

export function sendWritten(request: FastifyRequest, reply: FastifyReply, page: WrittenPage): FastifyReply {
  nameAs(reply, page.language)
  reply.headers({ 'cache-control': 'no-cache', vary: 'Accept-Language', etag: page.etag })
  if (isKnownTo(request, page.etag)) return reply.status(304).send()
  return reply.send(page.html)
}

const nameAs = (reply: FastifyReply, language: Language) =>
  reply.type('text/html; charset=utf-8').header('content-language', language)

function renderPage(page: Page, url: string): string {
  const frame: Frame = {
    page,
    words: wordsFor(page.language, 'pages'),
    archive: wordsFor(page.language, 'archive'),
    say: wordsFor(page.language, 'choices'),
    stylePath,
    lookPath: page.newsroom && lookPath(page.newsroom),
    website: webUrl(page.newsroom?.website ?? ''),
    logoUrl: pictureUrl(page.newsroom?.logoUrl ?? ''),
    languageLinks: (page.languages ?? []).map((language) => ({
      language,
      name: languageNames[language],
      href: inLanguage(url, language),
      current: language === page.language,
    })),
    ...addressesOf(page),
    linkedData: page.about?.linkedData ? inScript(page.about.linkedData) : null,
  }
  return pages.render(page.template, { ...page.values, ...frame })
}

/** Each language is a page of its own; the address without one shows what the reader's browser asks for. */
function addressesOf({ about, isUnlisted, language, languages = [] }: Page) {
  if (!about || isUnlisted) return { canonical: null, alternates: [] }
  if (languages.length < 2) return { canonical: about.address, alternates: [] }
  const alternates = languages.map((tag) => ({ language: tag as string, href: `${about.address}?language=${tag}` }))
  const canonical = alternates.find((one) => one.language === language)?.href ?? about.address
  return { canonical, alternates: [...alternates, { language: 'x-default', href: about.address }] }
}

/** JSON in a script element, which no text of a publisher can end: `<` is written as JSON can write it, too. */
const inScript = (data: object) =>
  JSON.stringify(data)
    .replaceAll('<', '\\u003c')
    .replace(/[\u2028\u2029]/g, '')

// Foreign text is shown as text, and what is no text at all (control characters, halves of characters) is left out.
const pages = new Eta({
  views: join(import.meta.dirname, 'pages'),
  cache: true,
  escapeFunction: (value: unknown) => safeText(String(value ?? '')).replace(/[&<>"']/g, (sign) => escapes[sign]!),
})
const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** The same address in another language; only the path is taken from the request. */
function inLanguage(url: string, language: Language): string {
  // Whoever asks may name a host before the path, or begin it with two strokes: as a link that would lead elsewhere, or nowhere.
  const [path = '', query = ''] = url.replace(/^[a-z]+:\/\/[^/?]*/i, '').split('?', 2)
  const asked = new URLSearchParams(query)
  asked.set('language', language)
  return oneLine(`${path.replace(/^\/*/, '/')}?${asked}`)
}
