import type { FastifyInstance, FastifyRequest } from 'fastify'
import { chooseLanguage, isLanguage, type Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { toldZone } from '../../../shared/letter/told.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReleaseId } from '../../../shared/release/release.ts'
import {
  countShown,
  isCursor,
  type ListFilter,
  listHeadlines,
  listNewerHeadlines,
  yearsShown,
} from '../../../shared/release/shown-releases.sql.ts'
import { feedLinks } from './feed-links.ts'
import { followBox } from './follow-box.ts'
import { entryOf } from './page-entries.ts'
import {
  filterOf,
  isNarrowed,
  listHref,
  listQuery,
  type Narrowing,
  narrowingForm,
  readNarrowing,
} from './page-filter.ts'
import { pageLanguage } from './page-language.ts'
import { type KeptPages, sendWritten, type WrittenPage, writePage } from './page-reply.ts'
import { htmlAnswer, problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

type PageDeps = Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>

const releasesOnPage = 20

type ListQuery = Readonly<Record<string, string | undefined>>

/** A newsroom's own page: its releases, the newest first, to search and to narrow; and the follow box. */
export function newsroomPage(app: FastifyInstance, deps: PageDeps, kept: KeptPages): void {
  app.get<{ Params: { slug: string }; Querystring: ListQuery }>(
    '/newsrooms/:slug',
    {
      schema: {
        tags: ['reader'],
        summary: "A newsroom's page",
        params: slugParams,
        querystring: listQuery,
        response: { 200: htmlAnswer, 404: problemAnswer },
      },
    },
    async (request, reply) => {
      const page = await kept.of(request, request.params.slug, () => writeNewsroomPage(deps, request))
      return sendWritten(request, reply, page)
    },
  )
}

async function writeNewsroomPage(
  deps: PageDeps,
  request: FastifyRequest<{ Params: { slug: string }; Querystring: ListQuery }>,
): Promise<WrittenPage> {
  const newsroom = await knownNewsroom(deps, request.params.slug)
  const narrowing = readNarrowing(newsroom, request.query)
  const filter = filterOf(newsroom, narrowing)
  const now = deps.now()
  const [turned, found, years] = await Promise.all([
    turnTo(deps, newsroom, filter, request.query, now),
    countShown(deps.pool, newsroom.id, filter, now),
    yearsShown(deps.pool, newsroom.id, newsroom.zone, now),
  ])
  const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  const words = wordsFor(language, 'pages')
  const narrowed = isNarrowed(narrowing)
  const plain = !narrowed && turned.isFirst
  return writePage(request, {
    template: 'newsroom',
    language,
    title: titleOf(newsroom, narrowing, language),
    newsroom,
    languages: newsroom.languages,
    feeds: feedLinks(newsroom, { language: null, topic: filter.topic }, language),
    // What is found by searching here is not for search engines: they find the releases themselves.
    ...(plain ? {} : { isUnlisted: true }),
    about: {
      description: aboutOf(newsroom, language)?.text ?? words('follow.lead', { newsroom: newsroom.name }),
      address: `${deps.publicUrl}/newsrooms/${newsroom.slug}`,
    },
    values: {
      heading: words('newsroom.title', { newsroom: newsroom.name }),
      follow: followBox(newsroom, language),
      form: narrowingForm(newsroom, narrowing, language, years),
      narrowed,
      found,
      zone: wordsFor(language, 'letters')('zone', { zone: toldZone(now, newsroom.zone, language) }),
      entries: turned.headlines.map((headline) => entryOf(newsroom, headline, language)),
      older: turned.older && listHref(newsroom, language, narrowing, { before: turned.older }),
      newer: turned.newer && listHref(newsroom, language, narrowing, { after: turned.newer }),
      first: turned.isFirst ? null : listHref(newsroom, language, narrowing),
      about: aboutOf(newsroom, language),
    },
  })
}

/** One page of a list, and the releases from which the next ones either way begin. */
async function turnTo(
  { pool }: Pick<ReaderDeps, 'pool'>,
  newsroom: Newsroom,
  filter: ListFilter,
  { before, after }: ListQuery,
  now: Date,
) {
  const cursor = before || after
  if (cursor && !(isUuid(cursor) && (await isCursor(pool, newsroom.id, cursor as ReleaseId, now))))
    throw new Refusal('NOT_FOUND')
  const size = releasesOnPage + 1
  if (after && !before) {
    const headlines = await listNewerHeadlines(pool, newsroom.id, filter, { after: after as ReleaseId, size }, now)
    const shown = headlines.slice(-releasesOnPage)
    // The page that reaches the newest is the first one, whole: a short one would hide what is right behind it.
    if (headlines.length > releasesOnPage)
      return { headlines: shown, newer: shown[0]!.id, older: shown.at(-1)!.id, isFirst: false }
  }
  const start = before ? (before as ReleaseId) : null
  const headlines = await listHeadlines(pool, newsroom.id, filter, { before: start, size }, now)
  const shown = headlines.slice(0, releasesOnPage)
  return {
    headlines: shown,
    newer: start && shown.length > 0 ? shown[0]!.id : null,
    older: headlines.length > releasesOnPage ? shown.at(-1)!.id : null,
    isFirst: start === null,
  }
}

function titleOf(newsroom: Newsroom, { q, topic: id }: Narrowing, language: Language): string {
  const archive = wordsFor(language, 'archive')
  const topic = newsroom.topics.find((one) => one.id === id)
  const title = wordsFor(language, 'pages')('newsroom.title', { newsroom: newsroom.name })
  const about = topic ? `${topicName(topic, language, newsroom.defaultLanguage)} – ${title}` : title
  return q === '' ? about : archive('search.title', { asked: q, title: about })
}

export async function knownNewsroom(deps: Pick<ReaderDeps, 'pool'>, slug: string): Promise<Newsroom> {
  const newsroom = await findNewsroom(deps.pool, slug)
  if (!newsroom) throw new Refusal('NEWSROOM_UNKNOWN')
  return newsroom
}

/** What a newsroom says about itself, and in which language it was found. */
export function aboutOf(newsroom: Newsroom, language: Language): { text: string; language: Language } | null {
  const shown = chooseLanguage(language, newsroom.defaultLanguage, Object.keys(newsroom.about).filter(isLanguage))
  const text = newsroom.about[shown]
  return text ? { text, language: shown } : null
}

export const isUuid = (text: string) => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)
