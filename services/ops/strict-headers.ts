import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { OpsDeps } from './ops-deps.ts'
import { boardPath } from './queue-board/board-path.ts'

/** Headers on every answer, refusals among them: nothing foreign loads, nobody frames it, nobody indexes or keeps it. */
export async function strictHeaders(app: FastifyInstance, deps: Pick<OpsDeps, 'secureCookies'>): Promise<void> {
  const rest: FastifyHelmetOptions = {
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: deps.secureCookies ? { maxAge: 31_536_000 } : false,
    // It would bar a page opened over plain http on loopback from nothing, and only confuse.
    originAgentCluster: false,
  }
  const desk = { ...rest, contentSecurityPolicy: { useDefaults: false, directives: deskPolicy } }
  const board = { ...rest, contentSecurityPolicy: { useDefaults: false, directives: boardPolicy } }
  await app.register(helmet, { global: false })
  app.addHook('onRequest', async (request, reply) => {
    await reply.helmet(boardPath.test(request.url) ? board : desk)
    reply.header('X-Robots-Tag', 'noindex, nofollow').header('Cache-Control', 'no-store')
  })
}

const deskPolicy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
}

// The queue board sets style attributes and its own <base>; scripts stay files of ours, and nothing foreign loads.
const boardPolicy = {
  ...deskPolicy,
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'"],
  baseUri: ["'self'"],
}
