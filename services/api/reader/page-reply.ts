import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Eta } from 'eta'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Language, languageNames } from '../../../shared/language/language.ts'
import { type Words, wordsFor } from '../../../shared/language/words.ts'
import { oneLine, safeText } from '../../../shared/letter/foreign-text.ts'
import { webUrl } from '../../../shared/letter/link-targets.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { lookPath, stylePath } from './page-assets.ts'

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
  readonly about?: { readonly description: string; readonly canonical: string; readonly image?: string | undefined }
  /** What only this template knows. */
  readonly values?: object
}

/** Every template is given these, and the page's own values. */
type Frame = {
  readonly page: Page
  readonly words: Words
  readonly stylePath: string
  readonly lookPath: string | null
  readonly website: string | null
  readonly logoUrl: string | null
  readonly languageLinks: readonly { language: Language; name: string; href: string; current: boolean }[]
}

/** Answers with a page. What is public may be kept by a browser, which asks each time whether it still stands. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  const html = renderPage(page, request.url)
  reply
    .status(page.status ?? 200)
    .type('text/html; charset=utf-8')
    .header('content-language', page.language)
  if (reply.hasHeader('cache-control') || reply.statusCode !== 200 || request.method === 'POST') {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    return reply.send(html)
  }
  const etag = `"${createHash('sha256').update(html).digest('base64url').slice(0, 22)}"`
  reply.headers({ 'cache-control': 'no-cache', vary: 'Accept-Language', etag })
  if (request.headers['if-none-match']?.split(/,\s*/).includes(etag)) return reply.status(304).send()
  return reply.send(html)
}

function renderPage(page: Page, url: string): string {
  const frame: Frame = {
    page,
    words: wordsFor(page.language, 'pages'),
    stylePath,
    lookPath: page.newsroom && lookPath(page.newsroom),
    website: webUrl(page.newsroom?.website ?? ''),
    logoUrl: webUrl(page.newsroom?.logoUrl ?? ''),
    languageLinks: (page.languages ?? []).map((language) => ({
      language,
      name: languageNames[language],
      href: inLanguage(url, language),
      current: language === page.language,
    })),
  }
  return pages.render(page.template, { ...page.values, ...frame })
}

// Foreign text is shown as text, and what is no text at all (control characters, halves of characters) is left out.
const pages = new Eta({
  views: join(import.meta.dirname, 'pages'),
  cache: true,
  escapeFunction: (value: unknown) => safeText(String(value ?? '')).replace(/[&<>"']/g, (sign) => escapes[sign]!),
})
const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** The same address in another language; only the path is taken from the request. */
function inLanguage(url: string, language: Language): string {
  const at = new URL(url, 'http://here.invalid')
  at.searchParams.set('language', language)
  return oneLine(`${at.pathname}${at.search}`)
}
