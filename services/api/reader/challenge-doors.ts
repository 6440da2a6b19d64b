import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { makeChallenge } from './challenge.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** The check asked of sign-ups when they are unusually many: its challenge, and the widget that solves it, from here. */
export function challengeDoors(app: FastifyInstance, deps: ReaderDeps): void {
  app.get<{ Params: { slug: string } }>('/newsrooms/:slug/challenge', { schema }, async (request, reply) => {
    const newsroom = await knownNewsroom(deps, request.params.slug)
    return reply.header('cache-control', 'no-store').send(await makeChallenge(deps.links, newsroom.id, deps.now()))
  })

  for (const { path, text, type } of assets)
    app.get(
      path,
      { schema: { tags: ['reader'], summary: 'A part of the check', response: part } },
      async (_request, reply) =>
        reply
          .type(`${type}; charset=utf-8`)
          .headers({
            'cache-control': 'public, max-age=3600',
            // Part of a publisher's page as well, where a follow box stands in one.
            'access-control-allow-origin': '*',
            'cross-origin-resource-policy': 'cross-origin',
          })
          .send(text),
    )
}

// Of the package, the build that leaves style and worker outside the script: our pages let in neither from within.
const altcha = dirname(dirname(createRequire(import.meta.url).resolve('altcha/altcha.css')))
const read = (...path: string[]) => readFileSync(join(...path), 'utf8')

const assets = [
  { path: '/assets/challenge.js', text: read(import.meta.dirname, 'pages', 'challenge.js'), type: 'text/javascript' },
  { path: '/assets/altcha.js', text: read(altcha, 'external', 'altcha.min.js'), type: 'text/javascript' },
  { path: '/assets/altcha-work.js', text: read(altcha, 'workers', 'pbkdf2.js'), type: 'text/javascript' },
  { path: '/assets/altcha.css', text: read(altcha, 'external', 'altcha.css'), type: 'text/css' },
] as const

const part = {
  200: { content: { 'text/javascript': { schema: Type.String() }, 'text/css': { schema: Type.String() } } },
}

const schema = {
  tags: ['reader'],
  summary: 'A challenge for a proof of work',
  description: 'Asked for by the check on our page; a program gets one with the refusal `challenge-needed`.',
  params: slugParams,
  response: { 200: Type.Object({ parameters: Type.Unknown(), signature: Type.String() }), 404: problemAnswer },
}
