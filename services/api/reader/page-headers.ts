import type { FastifyInstance } from 'fastify'
import type { ReaderDeps } from './reader-deps.ts'

// No script, no frame, no foreign style: a page needs none, so one that was smuggled in does nothing. Pictures are the
// publishers' own and come from wherever they keep them.
const contentPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self' https: data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** For the one page that runs a script of ours: the check that is asked for when sign-ups are unusually many. */
export const policyWithScript = [contentPolicy, "script-src 'self'", "worker-src 'self'", "connect-src 'self'"].join(
  '; ',
)

/** The headers of every answer to a reader. */
export function pageHeaders(app: FastifyInstance, deps: Pick<ReaderDeps, 'publicUrl'>): void {
  const headers = headersOfPages(deps)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(headers)
  })
}

export const headersOfPages = (deps: Pick<ReaderDeps, 'publicUrl'>): Record<string, string> => ({
  'content-security-policy': contentPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'strict-origin-when-cross-origin',
  ...(deps.publicUrl.startsWith('https:') ? { 'strict-transport-security': 'max-age=31536000' } : {}),
})

/** Whoever holds a link may act by it, so its address is kept from caches, other sites and search engines. */
export function tokenPageHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow',
    })
  })
}
