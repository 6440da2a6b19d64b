import type { FastifyInstance } from 'fastify'
import { chooseLanguage, isLanguage, type Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { toldMoment } from '../../../shared/letter/told.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReleaseId } from '../../../shared/release/release.ts'
import { listHeadlines, type ReleaseHeadline } from '../../../shared/release/release-pages.sql.ts'
import { followBox } from './follow-box.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { htmlAnswer, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

const releasesOnPage = 20

/** A newsroom's own page: the follow box and its releases, the newest first. */
export function newsroomPage(app: FastifyInstance, deps: Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>): void {
  app.get<{ Params: { slug: string }; Querystring: { before?: string } }>(
    '/newsrooms/:slug',
    {
      schema: {
        tags: ['reader'],
        summary: "A newsroom's page",
        params: slugParams,
        querystring: { ...pageQuery, properties: { ...pageQuery.properties, before: { type: 'string' } } },
        response: { 200: htmlAnswer, 404: problemAnswer },
      },
    },
    async (request, reply) => {
      const newsroom = await knownNewsroom(deps, request.params.slug)
      const { before } = request.query
      if (before !== undefined && !isUuid(before)) throw new Refusal('NOT_FOUND')
      const page = { before: (before ?? null) as ReleaseId | null, size: releasesOnPage + 1 }
      const headlines = await listHeadlines(deps.pool, newsroom.id, page, deps.now())
      const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
      const words = wordsFor(language, 'pages')
      const shown = headlines.slice(0, releasesOnPage)
      return sendPage(request, reply, {
        template: 'newsroom',
        language,
        title: words('newsroom.title', { newsroom: newsroom.name }),
        newsroom,
        languages: newsroom.languages,
        about: {
          description: words('follow.lead', { newsroom: newsroom.name }),
          canonical: `${deps.publicUrl}/newsrooms/${newsroom.slug}`,
        },
        values: {
          follow: followBox(newsroom, language),
          entries: shown.map((headline) => entryOf(newsroom, headline, language)),
          older: headlines.length > releasesOnPage ? shown.at(-1)!.id : null,
          firstPage: before === undefined,
          about: aboutOf(newsroom, language),
        },
      })
    },
  )
}

export async function knownNewsroom(deps: Pick<ReaderDeps, 'pool'>, slug: string): Promise<Newsroom> {
  const newsroom = await findNewsroom(deps.pool, slug)
  if (!newsroom) throw new Refusal('NEWSROOM_UNKNOWN')
  return newsroom
}

/** A release in a list, in the language the reader reads or the nearest there is. */
export function entryOf(newsroom: Newsroom, headline: ReleaseHeadline, language: Language) {
  const offered = Object.keys(headline.texts).filter(isLanguage)
  const shown = chooseLanguage(language, newsroom.defaultLanguage, offered)
  return {
    href: `/newsrooms/${newsroom.slug}/releases/${headline.id}?language=${language}`,
    language: shown,
    title: headline.texts[shown]?.title ?? '',
    lead: headline.texts[shown]?.lead ?? '',
    kind: headline.kind,
    at: headline.publishedAt.toISOString(),
    told: toldMoment(headline.publishedAt, headline.zone, language),
  }
}

/** What a newsroom says about itself, and in which language it was found. */
export function aboutOf(newsroom: Newsroom, language: Language): { text: string; language: Language } | null {
  const shown = chooseLanguage(language, newsroom.defaultLanguage, Object.keys(newsroom.about).filter(isLanguage))
  const text = newsroom.about[shown]
  return text ? { text, language: shown } : null
}

export const isUuid = (text: string) => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)
