import { Type } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isLanguage } from '../../../shared/language/language.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { findContents, lastChange } from '../../../shared/release/release-pages.sql.ts'
import { listHeadlines } from '../../../shared/release/shown-releases.sql.ts'
import { feedEntries, feedHead } from './feed-entries.ts'
import { writeFeed } from './feed-forms.ts'
import { type FeedForm, type FeedScope, feedForms } from './feed-links.ts'
import { isKnownTo, tagOf } from './known-answers.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { filterOf, nothingNarrowed } from './page-filter.ts'
import { problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

const releasesInFeed = 20
/** Feeds kept as they were last written, for the many programs that ask for them; some hundred kilobytes each at most. */
const feedsKept = 100
/**
 * Milliseconds before a change is named in Last-Modified: it counts whole seconds, and what was stored first may become
 * visible last. Until then ETag alone says what is new.
 */
const settledAfter = 60_000

type FeedDeps = Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>

/** A newsroom's newest releases for programs: Atom, RSS and JSON Feed, of everything, of one language or one topic. */
export function feeds(app: FastifyInstance, deps: FeedDeps): void {
  const kept = new Map<string, string>()
  for (const form of Object.keys(feedForms) as FeedForm[])
    app.get<{ Params: { slug: string }; Querystring: { language?: string; topic?: string } }>(
      `/newsrooms/:slug/feed.${form}`,
      { schema: schemaOf(form) },
      async (request, reply) => {
        const newsroom = await knownNewsroom(deps, request.params.slug)
        return sendFeed(deps, kept, request, reply, newsroom, form, scopeOf(newsroom, request.query))
      },
    )
}

async function sendFeed(
  deps: FeedDeps,
  kept: Map<string, string>,
  request: FastifyRequest,
  reply: FastifyReply,
  newsroom: Newsroom,
  form: FeedForm,
  scope: FeedScope,
): Promise<FastifyReply> {
  const now = deps.now()
  const filter = { ...filterOf(newsroom, nothingNarrowed), ...scope }
  const [headlines, changedAt] = await Promise.all([
    listHeadlines(deps.pool, newsroom.id, filter, { before: null, size: releasesInFeed }, now),
    lastChange(deps.pool, newsroom.id, now),
  ])
  const head = feedHead(newsroom, form, scope, changedAt, deps.publicUrl)
  // A revision never changes, so what stands in the list says what the feed will say.
  const tag = tagOf(JSON.stringify([form, head, headlines]))
  reply.headers({ etag: tag, 'cache-control': 'no-cache', 'access-control-allow-origin': '*' })
  const settled = now.getTime() - changedAt.getTime() > settledAfter
  if (settled) reply.header('last-modified', changedAt.toUTCString())
  if (isKnownTo(request, tag) || (settled && isUnchangedSince(request, changedAt))) return reply.status(304).send()
  reply.type(`${feedForms[form].type}; charset=utf-8`)
  const known = kept.get(tag)
  if (known !== undefined) return reply.send(known)
  const contents = await findContents(
    deps.pool,
    newsroom.id,
    headlines.map(({ id }) => id),
    now,
  )
  const written = writeFeed(form, head, feedEntries(newsroom, headlines, contents, head, deps.publicUrl))
  kept.set(tag, written)
  if (kept.size > feedsKept) kept.delete(kept.keys().next().value!)
  return reply.send(written)
}

/** RFC 9110, 13.1.3: a date counts only where no tag was sent, and one that cannot be read does not. */
function isUnchangedSince({ headers }: FastifyRequest, changedAt: Date): boolean {
  if (headers['if-none-match'] !== undefined) return false
  const since = Date.parse(headers['if-modified-since'] ?? '')
  return since >= Math.floor(changedAt.getTime() / 1000) * 1000
}

function scopeOf(newsroom: Newsroom, { language, topic }: { language?: string; topic?: string }): FeedScope {
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
