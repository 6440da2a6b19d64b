import type { FastifyInstance } from 'fastify'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'

/** One line per request: the route, never the address, because addresses hold tokens; the outcome and the duration. */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'answered',
    )
  })
}

/** Whoever is turned away for it is told no more than to come again; why stands here, in one line in five seconds. */
export function logDatabaseAway(app: FastifyInstance): void {
  let quietUntil = 0
  app.addHook('onError', async (request, _reply, err) => {
    if (!isDatabaseAway(err) || performance.now() < quietUntil) return
    quietUntil = performance.now() + 5_000
    request.log.warn({ err, route: request.routeOptions.url ?? 'unknown' }, 'the database cannot be used')
  })
}
