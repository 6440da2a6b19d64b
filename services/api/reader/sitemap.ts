import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { listNewsrooms } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { lastChange } from '../../../shared/release/release-pages.sql.ts'
import { yearsShown } from '../../../shared/release/shown-releases.sql.ts'
import { listForSitemap, listYearForSitemap, type SitemapEntry } from '../../../shared/release/sitemap.sql.ts'
import { escaped } from './feed-entries.ts'
import { isKnownTo, tagOf } from './known-answers.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Releases one file holds before there is a file for each newsroom and year; and what the format allows in any. */
const most = { inOne: 5_000, inYear: 50_000 }

type SitemapDeps = Pick<ReaderDeps, 'pool' | 'now' | 'publicUrl'>

/** What search engines are told of: every page there is to read, and which ones are nobody's to look for. */
export function sitemap(app: FastifyInstance, deps: SitemapDeps): void {
  app.get(
    '/robots.txt',
    {
      schema: {
        tags: ['reader'],
        summary: 'What search engines may visit',
        response: { 200: { description: 'The rules', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) =>
      reply
        .type('text/plain; charset=utf-8')
        .send(`User-agent: *\nDisallow: /*?*q=\nDisallow: /*/subscriptions\nSitemap: ${deps.publicUrl}/sitemap.xml\n`),
  )

  app.get(
    '/sitemap.xml',
    {
      schema: {
        tags: ['reader'],
        summary: 'Every page to read; where there are many, the sitemaps that hold them',
        response: xmlAnswer,
      },
    },
    async (request, reply) => {
      const now = deps.now()
      const [newsrooms, entries] = await Promise.all([
        listNewsrooms(deps.pool),
        listForSitemap(deps.pool, most.inOne + 1, now),
      ])
      if (entries.length > most.inOne) return sendXml(request, reply, await indexOf(deps, newsrooms, now))
      const pages = [url(`${deps.publicUrl}/`), ...newsrooms.flatMap((newsroom) => pagesOf(deps, newsroom))]
      return sendXml(request, reply, urlSet([...pages, ...entries.flatMap((entry) => urlsOf(deps, entry))]))
    },
  )

  app.get<{ Params: { slug: string }; Querystring: { year: string } }>(
    '/newsrooms/:slug/sitemap.xml',
    {
      schema: {
        tags: ['reader'],
        summary: "A newsroom's pages of one year",
        params: slugParams,
        querystring: Type.Object({ year: Type.String() }),
        response: { ...xmlAnswer, 404: problemAnswer },
      },
    },
    async (request, reply) => {
      const newsroom = await knownNewsroom(deps, request.params.slug)
      const { year } = request.query
      if (!/^[12]\d{3}$/.test(year)) throw new Refusal('NOT_FOUND')
      const entries = await listYearForSitemap(deps.pool, newsroom, Number(year), most.inYear, deps.now())
      return sendXml(
        request,
        reply,
        urlSet([...pagesOf(deps, newsroom), ...entries.flatMap((entry) => urlsOf(deps, entry))]),
      )
    },
  )
}

async function indexOf({ pool, publicUrl }: SitemapDeps, newsrooms: readonly Newsroom[], now: Date): Promise<string> {
  const parts: string[] = []
  for (const newsroom of newsrooms) {
    const changedAt = await lastChange(pool, newsroom.id, now)
    for (const year of await yearsShown(pool, newsroom.id, newsroom.zone, now))
      parts.push(
        `<sitemap><loc>${publicUrl}/newsrooms/${newsroom.slug}/sitemap.xml?year=${year}</loc><lastmod>${changedAt.toISOString()}</lastmod></sitemap>`,
      )
  }
  return `<sitemapindex ${namespace}>${parts.join('\n')}</sitemapindex>`
}

const pagesOf = ({ publicUrl }: SitemapDeps, { slug, languages }: Newsroom) =>
  inLanguages(`${publicUrl}/newsrooms/${slug}`, languages).map((address) => url(address))

const urlsOf = ({ publicUrl }: SitemapDeps, { slug, id, languages, changedAt }: SitemapEntry) =>
  inLanguages(`${publicUrl}/newsrooms/${slug}/releases/${id}`, languages).map((address) => url(address, changedAt))

/** The addresses pages call their own (see `canonical`): one for each language, where there are several. */
const inLanguages = (address: string, languages: readonly string[]) =>
  languages.length > 1 ? languages.map((language) => `${address}?language=${language}`) : [address]

const namespace = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
const urlSet = (urls: readonly string[]) => `<urlset ${namespace}>${urls.join('\n')}</urlset>`
const url = (address: string, changedAt?: Date) =>
  `<url><loc>${escaped(address)}</loc>${changedAt ? `<lastmod>${changedAt.toISOString()}</lastmod>` : ''}</url>`

function sendXml(request: FastifyRequest, reply: FastifyReply, root: string): FastifyReply {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n${root}\n`
  const tag = tagOf(xml)
  reply.headers({ etag: tag, 'cache-control': 'no-cache' })
  return isKnownTo(request, tag) ? reply.status(304).send() : reply.type('application/xml; charset=utf-8').send(xml)
}

const xmlAnswer = { 200: { description: 'A sitemap', content: { 'application/xml': { schema: Type.String() } } } }
