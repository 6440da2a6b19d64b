import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isLanguage } from '../../../shared/language/language.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { findContents, lastChange } from '../../../shared/release/release-pages.sql.ts'
import { listHeadlines } from '../../../shared/release/shown-releases.sql.ts'
import { feedEntries, feedHead } from './feed-entries.ts'
import { writeFeed } from './feed-forms.ts'
import { type FeedForm, type FeedScope, feedForms } from './feed-links.ts'
import { openKeptAnswers } from './kept-answers.ts'
import { isKnownTo, tagOf } from './known-answers.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { filterOf, nothingNarrowed } from './page-filter.ts'
import { problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

const releasesInFeed = 20
/**
 * Milliseconds before a change is named in Last-Modified: it counts whole seconds, and what was stored first may become
 * visible last. Until then ETag alone says what is new.
 */
const settledAfter = 60_000

type FeedQuery = { readonly language?: string; readonly topic?: string }
type FeedDeps = Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>

/** A feed as it is sent. `changedAt`: when anything in it last changed. */
type WrittenFeed = { readonly text: string; readonly etag: string; readonly changedAt: Date }

/** A newsroom's newest releases for programs: Atom, RSS and JSON Feed, of everything, of one language or one topic. */
export function feeds(app: FastifyInstance, deps: FeedDeps): void {
  const kept = openKeptAnswers<WrittenFeed>(
    deps,
    ({ text }) => text.length,
    ({ url }) => url,
  )
  for (const form of Object.keys(feedForms) as FeedForm[])
    app.get<{ Params: { slug: string }; Querystring: FeedQuery }>(
      `/newsrooms/:slug/feed.${form}`,
      { schema: schemaOf(form) },
      async (request, reply) => {
        const feed = await kept.of(request, request.params.slug, () => writtenFeed(deps, request, form))
        return sendFeed(deps, request, reply, form, feed)
      },
    )
}

async function writtenFeed(
  deps: FeedDeps,
  request: FastifyRequest<{ Params: { slug: string }; Querystring: FeedQuery }>,
  form: FeedForm,
): Promise<WrittenFeed> {
  const { pool, now, publicUrl } = deps
  const newsroom = await knownNewsroom(deps, request.params.slug)
  const scope = scopeOf(newsroom, request.query)
  const at = now()
  const filter = { ...filterOf(newsroom, nothingNarrowed), ...scope }
  const [headlines, changedAt] = await Promise.all([
    listHeadlines(pool, newsroom.id, filter, { before: null, size: releasesInFeed }, at),
    lastChange(pool, newsroom.id, at),
  ])
  const ids = headlines.map(({ id }) => id)
  const contents = await findContents(pool, newsroom.id, ids, at)
  const head = feedHead(newsroom, form, scope, changedAt, publicUrl)
  const text = writeFeed(form, head, feedEntries(newsroom, headlines, contents, head, publicUrl))
  return { text, etag: tagOf(text), changedAt }
}

function sendFeed(
  { now }: FeedDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  form: FeedForm,
  { text, etag, changedAt }: WrittenFeed,
): FastifyReply {
  reply.headers({ etag, 'cache-control': 'no-cache', 'access-control-allow-origin': '*' })
  const settled = now().getTime() - changedAt.getTime() > settledAfter
  if (settled) reply.header('last-modified', changedAt.toUTCString())
  if (isKnownTo(request, etag) || (settled && isUnchangedSince(request, changedAt))) return reply.status(304).send()
  return reply.type(`${feedForms[form].type}; charset=utf-8`).send(text)
}

/** RFC 9110, 13.1.3: a date counts only where no tag was sent, and one that cannot be read does not. */
function isUnchangedSince({ headers }: FastifyRequest, changedAt: Date): boolean {
  if (headers['if-none-match'] !== undefined) return false
  const since = Date.parse(headers['if-modified-since'] ?? '')
  return since >= Math.floor(changedAt.getTime() / 1000) * 1000
}

function scopeOf(newsroom: Newsroom, { language, topic }: FeedQuery): FeedScope {
  if (language && !isLanguage(language)) throw new Refusal('NOT_FOUND')
  if (topic && !newsroom.topics.some(({ id }) => id === topic)) throw new Refusal('NOT_FOUND')
  return { language: isLanguage(language) ? language : null, topic: topic || null }
}

const schemaOf = (form: FeedForm) => ({
  tags: ['reader'],
  summary: `The newest releases as ${feedForms[form].name}`,
  params: slugParams,
  querystring: Type.Object({
    language: Type.Optional(Type.String({ description: 'Only what is written in this language, and in it' })),
    topic: Type.Optional(Type.String({ description: 'Only what is about this topic of the newsroom' })),
  }),
  response: {
    200: { description: 'The feed', content: { [feedForms[form].type]: { schema: Type.String() } } },
    304: { description: 'Nothing has changed', type: 'null' },
    404: problemAnswer,
  },
})
