import type { FastifyInstance } from 'fastify'
import { chooseLanguage, type Language, languages } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { cleanHtml } from '../../../shared/letter/clean-html.ts'
import { mailUrl, phoneUrl, webUrl } from '../../../shared/letter/link-targets.ts'
import { toldDocument, toldMoment } from '../../../shared/letter/told.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReleaseContent, ReleaseId } from '../../../shared/release/release.ts'
import { findReleaseOnPage, listHeadlines, type ReleaseOnPage } from '../../../shared/release/release-pages.sql.ts'
import { followBox } from './follow-box.ts'
import { aboutOf, entryOf, isUuid, knownNewsroom } from './newsroom-page.ts'
import { sendNote } from './note-page.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { htmlAnswer, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'

const othersShown = 3

/** A release to read. Before its hour it is not there; once withdrawn, its text is gone and the page says so. */
export function releasePage(app: FastifyInstance, deps: Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>): void {
  app.get<{ Params: { slug: string; id: string } }>(
    '/newsrooms/:slug/releases/:id',
    {
      schema: {
        tags: ['reader'],
        summary: 'A release',
        params: { ...slugParams, properties: { ...slugParams.properties, id: { type: 'string' } } },
        querystring: pageQuery,
        response: { 200: htmlAnswer, 404: problemAnswer, 410: problemAnswer },
      },
    },
    async (request, reply) => {
      const newsroom = await knownNewsroom(deps, request.params.slug)
      const { id } = request.params
      const release = isUuid(id) ? await findReleaseOnPage(deps.pool, newsroom.id, id as ReleaseId, deps.now()) : null
      if (!release) throw new Refusal('RELEASE_UNKNOWN')
      if (release.kind === 'withdrawal') {
        if (!prefersPage(request)) throw new Refusal('RELEASE_WITHDRAWN')
        const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
        return sendNote(request, reply, { newsroom, language, note: 'withdrawn', status: 410 })
      }

      const offered = languages.filter((language) => release.content.languages[language])
      // The text decides the page's language: words around it in another would only disturb the reading.
      const wanted = pageLanguage(request, offered, newsroom.defaultLanguage)
      const language = chooseLanguage(wanted, newsroom.defaultLanguage, offered)
      const text = release.content.languages[language] ?? { title: release.externalId, lead: '', bodyHtml: '' }
      const latest = { before: null, size: othersShown + 1 }
      const headlines = await listHeadlines(deps.pool, newsroom.id, latest, deps.now())
      const others = headlines.filter((headline) => headline.id !== release.id).slice(0, othersShown)
      return sendPage(request, reply, {
        template: 'release',
        language,
        title: text.title,
        newsroom,
        languages: offered.length > 1 ? offered : [],
        about: {
          description: text.lead || text.title,
          canonical: `${deps.publicUrl}/newsrooms/${newsroom.slug}/releases/${release.id}`,
          image: release.content.images.map((image) => webUrl(image.url)).find((url) => url !== null) ?? undefined,
        },
        values: {
          text,
          bodyHtml: cleanHtml(text.bodyHtml),
          kind: release.kind,
          ...momentsOf(release, language),
          ...enclosuresOf(release.content, language),
          about: aboutOf(newsroom, language),
          follow: followBox(newsroom, language),
          others: others.map((headline) => entryOf(newsroom, headline, language)),
        },
      })
    },
  )
}

const momentsOf = (release: ReleaseOnPage, language: Language) => ({
  at: release.publishedAt.toISOString(),
  told: toldMoment(release.publishedAt, release.zone, language),
  corrected:
    release.kind === 'correction'
      ? wordsFor(language, 'pages')('release.corrected', {
          when: toldMoment(release.revisedAt, release.zone, language),
        })
      : null,
  correctedAt: release.revisedAt.toISOString(),
})

/** What comes with the text. A link that leads nowhere a browser may go is left out, and its words are kept. */
const enclosuresOf = (content: ReleaseContent, language: Language) => ({
  contacts: content.contacts.map((contact) => ({
    ...contact,
    // A number is not broken over two lines.
    phone: contact.phone?.replaceAll(' ', '\u00a0'),
    phoneUrl: contact.phone ? phoneUrl(contact.phone) : null,
    mailUrl: contact.email ? mailUrl(contact.email) : null,
  })),
  images: content.images
    .map((image) => ({ ...image, url: webUrl(image.url) }))
    .filter((image): image is typeof image & { url: string } => image.url !== null),
  documents: content.documents
    .map((document) => ({ ...document, url: webUrl(document.url) }))
    .filter((document): document is typeof document & { url: string } => document.url !== null)
    .map((document) => ({ ...document, told: toldDocument(document, language) })),
  links: content.links.map((link) => ({ ...link, url: webUrl(link.url) })),
})
