import type { FastifyInstance, FastifyRequest } from 'fastify'
import { chooseLanguage, type Language, languages } from '../../../shared/language/language.ts'
import { toldHour, toldMoment } from '../../../shared/letter/told.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReleaseChange, ReleaseId } from '../../../shared/release/release.ts'
import { findReleaseOnPage, listChanges, type ReleaseOnPage } from '../../../shared/release/release-pages.sql.ts'
import { listHeadlines, listNewerHeadlines } from '../../../shared/release/shown-releases.sql.ts'
import { cleanBody } from './clean-body.ts'
import { feedLinks } from './feed-links.ts'
import { followBox } from './follow-box.ts'
import { newsArticle } from './linked-data.ts'
import { aboutOf, isUuid, knownNewsroom } from './newsroom-page.ts'
import { sendNote } from './note-page.ts'
import { entryOf } from './page-entries.ts'
import { filterOf, listHref, nothingNarrowed } from './page-filter.ts'
import { pageLanguage } from './page-language.ts'
import { type KeptPages, sendWritten, type WrittenPage, writePage } from './page-reply.ts'
import { htmlAnswer, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { enclosuresOf } from './release-enclosures.ts'

type PageDeps = Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>

const othersShown = 3

/** A release to read. Before its hour it is not there; once withdrawn, its text is gone and the page says so. */
export function releasePage(app: FastifyInstance, deps: PageDeps, kept: KeptPages): void {
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
      const { slug } = request.params
      const page = await kept.of(request, slug, () => writeReleasePage(deps, request))
      if (page !== null) return sendWritten(request, reply, page)
      if (!prefersPage(request)) throw new Refusal('RELEASE_WITHDRAWN')
      const newsroom = await knownNewsroom(deps, slug)
      const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
      return sendNote(request, reply, { newsroom, language, note: 'withdrawn', status: 410 })
    },
  )
}

/** Null: it was withdrawn. */
async function writeReleasePage(
  deps: PageDeps,
  request: FastifyRequest<{ Params: { slug: string; id: string } }>,
): Promise<WrittenPage | null> {
  const newsroom = await knownNewsroom(deps, request.params.slug)
  const { id } = request.params
  const now = deps.now()
  const release = isUuid(id) ? await findReleaseOnPage(deps.pool, newsroom.id, id as ReleaseId, now) : null
  if (!release) throw new Refusal('RELEASE_UNKNOWN')
  if (release.kind === 'withdrawal') return null
  const offered = languages.filter((language) => release.content.languages[language])
  // The text decides the page's language: words around it in another would only disturb the reading.
  const wanted = pageLanguage(request, offered, newsroom.defaultLanguage)
  const language = chooseLanguage(wanted, newsroom.defaultLanguage, offered)
  const text = release.content.languages[language] ?? { title: release.externalId, lead: '', bodyHtml: '' }
  const [around, changes] = await Promise.all([
    surroundingsOf(deps, newsroom, release, language, now),
    release.revision > 1 ? listChanges(deps.pool, release.id, language, now) : [],
  ])
  const address = `${deps.publicUrl}/newsrooms/${newsroom.slug}/releases/${release.id}`
  const enclosures = enclosuresOf(release.content, language)
  const moments = momentsOf(release, changes)
  return writePage(request, {
    template: 'release',
    language,
    title: text.title,
    newsroom,
    languages: offered.length > 1 ? offered : [],
    feeds: feedLinks(newsroom, { language: null, topic: null }, language),
    about: {
      description: text.lead || text.title,
      address,
      image: enclosures.images[0],
      article: moments,
      linkedData: newsArticle(newsroom, { address, text, language, ...moments, ...enclosures }, deps.publicUrl),
    },
    values: {
      text,
      bodyHtml: cleanBody(release, language),
      kind: release.kind,
      at: moments.publishedAt,
      told: toldMoment(release.publishedAt, release.zone, language),
      changes: changes.map((change) => toldChange(change, release.zone, language)),
      ...enclosures,
      topics: topicsOf(newsroom, release, language),
      share: shareOf(text.title, offered.length > 1 ? `${address}?language=${language}` : address),
      about: aboutOf(newsroom, language),
      follow: followBox(newsroom, language),
      ...around,
    },
  })
}

/** The releases before and after this one, and the newest of the newsroom. */
async function surroundingsOf(
  { pool }: Pick<ReaderDeps, 'pool'>,
  newsroom: Newsroom,
  { id, zone }: ReleaseOnPage,
  language: Language,
  now: Date,
) {
  const everything = filterOf(newsroom, nothingNarrowed)
  const [older, newer, latest] = await Promise.all([
    listHeadlines(pool, newsroom.id, everything, { before: id, size: 1 }, now),
    listNewerHeadlines(pool, newsroom.id, everything, { after: id, size: 1 }, now),
    listHeadlines(pool, newsroom.id, everything, { before: null, size: othersShown + 1 }, now),
  ])
  return {
    neighbours: [
      ...older.map((headline) => ({ rel: 'prev', ...entryOf(newsroom, headline, language, zone) })),
      ...newer.map((headline) => ({ rel: 'next', ...entryOf(newsroom, headline, language, zone) })),
    ],
    others: latest
      .filter((headline) => headline.id !== id)
      .slice(0, othersShown)
      .map((headline) => entryOf(newsroom, headline, language, zone)),
  }
}

const momentsOf = (release: ReleaseOnPage, [newest]: readonly ReleaseChange[]) => ({
  publishedAt: release.publishedAt.toISOString(),
  modifiedAt: (newest?.at ?? release.publishedAt).toISOString(),
})

const toldChange = ({ at, replaces, parts }: ReleaseChange, zone: string, language: Language) => ({
  at: at.toISOString(),
  // Under the release's own hour, which names the zone.
  told: toldHour(at, zone, language),
  replaces: toldHour(replaces, zone, language),
  parts,
})

/** In the newsroom's own order; one the newsroom no longer has is passed over. */
const topicsOf = (newsroom: Newsroom, release: ReleaseOnPage, language: Language) =>
  newsroom.topics
    .filter(({ id }) => release.topics.includes(id))
    .map((topic) => ({
      name: topicName(topic, language, newsroom.defaultLanguage),
      href: listHref(newsroom, language, { ...nothingNarrowed, topic: topic.id }),
    }))

/** Without script and without anybody else's button: an address to copy, and a letter to write. */
const shareOf = (title: string, address: string) => ({
  address,
  mail: `mailto:?subject=${encodeURIComponent(title.toWellFormed())}&body=${encodeURIComponent(address)}`,
})
