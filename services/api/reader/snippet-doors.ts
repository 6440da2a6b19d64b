import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { boxWords, formOf } from '../../../shared/snippet/snippet.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { pageLanguage } from './page-language.ts'
import { pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

type SlugRoute = { Params: { slug: string } }

/** What a follow box on a publisher's own page asks for: its script, and the form in the page's language. */
export function snippetDoors(app: FastifyInstance, deps: ReaderDeps): void {
  app.get('/assets/follow-box.js', { schema: scriptSchema }, async (_request, reply) =>
    reply
      .type('text/javascript; charset=utf-8')
      .headers({ 'cache-control': 'public, max-age=3600', 'cross-origin-resource-policy': 'cross-origin' })
      .send(script),
  )

  const url = '/newsrooms/:slug/follow-box'
  app.get<SlugRoute>(url, { schema: boxSchema }, async (request, reply) => {
    const newsroom = await knownNewsroom(deps, request.params.slug)
    const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
    const box = { language, form: formOf(newsroom, language, deps.publicUrl), words: boxWords(newsroom, language) }
    return reply.headers({ 'cache-control': 'public, max-age=300', vary: 'Origin, Accept-Language' }).send(box)
  })

  app.options<SlugRoute>(url, { schema: { hide: true } }, async (_request, reply) =>
    reply.status(204).header('allow', 'GET, HEAD, OPTIONS').send(),
  )
}

/**
 * A script or a style without what only its writer reads: comments on lines of their own, and the blanks lines begin
 * with. It is served to other people's pages, whose readers wait for it.
 */
export const squeeze = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('//'))
    .join('\n')

const script = squeeze(readFileSync(join(import.meta.dirname, 'pages', 'follow-box.js'), 'utf8'))

const scriptSchema = {
  tags: ['reader'],
  summary: 'The script of the follow box on publishers’ own pages',
  response: { 200: { content: { 'text/javascript': { schema: Type.String() } } } },
}

const boxSchema = {
  tags: ['reader'],
  summary: 'The follow box in one language, for a publisher’s own page',
  params: slugParams,
  querystring: pageQuery,
  response: {
    200: Type.Object({
      language: Type.String(),
      form: Type.String({ description: 'A form in HTML' }),
      words: Type.Record(Type.String(), Type.String()),
    }),
    404: problemAnswer,
  },
}
