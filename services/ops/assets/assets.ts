import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'

/** Style, icon and script: they say nothing about anybody, and the login page needs two of them before the login. */
export function serveAssets(app: FastifyInstance): void {
  for (const { path, files, type, door } of assets) {
    const bytes = Buffer.concat(files.map((file) => readFileSync(join(import.meta.dirname, file))))
    app.get(path, door ? { config: { door } } : {}, async (_request, reply) => reply.type(type).send(bytes))
  }
  app.get('/robots.txt', { config: { door: 'open' } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send('User-agent: *\nDisallow: /\n'),
  )
}

const assets = [
  {
    path: '/ops.css',
    files: ['base.css', 'frame.css', 'parts.css', 'pages.css'],
    type: 'text/css; charset=utf-8',
    door: 'open',
  },
  { path: '/icon.svg', files: ['icon.svg'], type: 'image/svg+xml', door: 'open' },
  { path: '/live-figures.js', files: ['live-figures.js'], type: 'text/javascript; charset=utf-8', door: null },
] as const
