import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { ReaderDeps } from './reader-deps.ts'

/**
 * Lets the pages of a newsroom's own origins read these doors by script, without credentials. An origin that is not on
 * the list is not refused: it gets the same answer without the header, and its reader's browser keeps it from the
 * script. So programs, which have no origin, need no exception, and the list cannot be probed by status.
 */
export function allowOrigins(app: FastifyInstance, deps: Pick<ReaderDeps, 'pool' | 'publicUrl'>): void {
  // Before the body is read, so that a refusal of the body can be read as well.
  app.addHook<{ Params: { slug?: string } }>('onRequest', async (request, reply) => {
    reply.header('vary', 'Origin')
    const { origin } = request.headers
    if (origin === undefined || isOwn(deps, request, origin) || request.params.slug === undefined) return
    const newsroom = await findNewsroom(deps.pool, request.params.slug)
    if (newsroom?.allowedOrigins.includes(origin)) allow(request, reply, origin)
  })
}

function allow(request: FastifyRequest, reply: FastifyReply, origin: string): void {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'Retry-After, RateLimit, RateLimit-Policy',
  })
  if (request.method === 'OPTIONS')
    reply.headers({
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '7200',
    })
}

/** Where a form was sent from: our own pages, a listed page of the publisher's, somewhere else, or nobody says. */
export function originOfForm(
  deps: Pick<ReaderDeps, 'publicUrl'>,
  newsroom: Pick<Newsroom, 'allowedOrigins'>,
  request: FastifyRequest,
): 'own' | 'listed' | 'foreign' | 'unsaid' {
  const { origin } = request.headers
  // Browsers say `null` for pages that keep their address to themselves, as ours that hold a token do.
  if (origin === undefined || origin === 'null') return 'unsaid'
  if (isOwn(deps, request, origin)) return 'own'
  return newsroom.allowedOrigins.includes(origin) ? 'listed' : 'foreign'
}

// Also under whatever other name a reader reached us: no page can make a browser say it asks another host than it does.
const isOwn = ({ publicUrl }: Pick<ReaderDeps, 'publicUrl'>, request: FastifyRequest, origin: string) =>
  origin === new URL(publicUrl).origin || origin.replace(/^https?:\/\//, '') === request.host
