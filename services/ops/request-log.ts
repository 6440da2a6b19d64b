import type { FastifyInstance } from 'fastify'
import type { OpsDeps } from './ops-deps.ts'

/** One line a request: the route as written in the code, never the path asked for, which could hold anything. */
export function logRequests(app: FastifyInstance, deps: Pick<OpsDeps, 'log'>): void {
  app.addHook('onResponse', async (request, reply) => {
    deps.log.info(
      {
        reqId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    )
  })
}
