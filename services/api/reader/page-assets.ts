import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { looksOf } from '../../../shared/letter/looks.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReaderDeps } from './reader-deps.ts'

const style = ['pages.css', 'follow.css', 'choices.css']
  .map((name) => readFileSync(join(import.meta.dirname, 'pages', name), 'utf8'))
  .join('')
const styleVersion = createHash('sha256').update(style).digest('base64url').slice(0, 12)

/** Named by its content, so that a browser may keep it for ever and still get the next one at once. */
export const stylePath = `/assets/pages.css?v=${styleVersion}`
export const lookPath = (newsroom: Pick<Newsroom, 'slug' | 'accent'>) =>
  `/newsrooms/${newsroom.slug}/look.css?v=${newsroom.accent.slice(1).toLowerCase()}`

const forEver = 'public, max-age=31536000, immutable'
const css = { 200: { content: { 'text/css': { schema: Type.String() } } } }

export function pageAssets(app: FastifyInstance, deps: Pick<ReaderDeps, 'pool'>): void {
  app.get(
    '/assets/pages.css',
    { schema: { tags: ['reader'], summary: 'The style of all pages', response: css } },
    async (request, reply) =>
      reply
        .type('text/css; charset=utf-8')
        .header('cache-control', versionOf(request.query) === styleVersion ? forEver : 'no-cache')
        .send(style),
  )

  // Pages may hold no style of their own, so a newsroom's colour comes as a file.
  app.get<{ Params: { slug: string } }>(
    '/newsrooms/:slug/look.css',
    {
      schema: {
        tags: ['reader'],
        summary: "A newsroom's colours",
        params: Type.Object({ slug: Type.String() }),
        response: css,
      },
    },
    async (request, reply) => {
      const newsroom = await findNewsroom(deps.pool, request.params.slug)
      if (!newsroom) throw new Refusal('NEWSROOM_UNKNOWN')
      const current = versionOf(request.query) === newsroom.accent.slice(1).toLowerCase()
      return reply
        .type('text/css; charset=utf-8')
        .header('cache-control', current ? forEver : 'no-cache')
        .send(lookOf(newsroom))
    },
  )
}

const versionOf = (query: unknown) => (query as { v?: unknown } | undefined)?.v

function lookOf(newsroom: Newsroom): string {
  const looks = looksOf(newsroom.accent)
  const light = `--bar: ${looks.bar}; --accent: ${looks.link}; --accent-ink: ${looks.buttonInk};`
  const dark = `--accent: ${looks.darkLink}; --accent-ink: ${looks.darkButtonInk};`
  return `:root { ${light} }\n@media screen and (prefers-color-scheme: dark) { :root { ${dark} } }\n`
}
