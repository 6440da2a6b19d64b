import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import { problemOf } from '../../shared/refusal/problem.ts'
import { Refusal, type RefusalCode, refusals } from '../../shared/refusal/refusal.ts'
import type { OpsDeps } from './ops-deps.ts'
import { renderPage } from './pages/pages.ts'
import { refusalWords } from './pages/refusal-words.ts'

/** Seconds after which a visitor may ask again, when the database could not be asked. */
const comeAgainIn = 5

/** Every answer that turns somebody away, in one voice: a page for a browser, problem+json (RFC 9457) for the rest. */
export function refusalReplies(app: FastifyInstance, deps: Pick<OpsDeps, 'log'>): void {
  app.setNotFoundHandler((request, reply) => answerRefusal(request, reply, 'NOT_FOUND'))
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const code = codeOf(error)
    // A fault is ours to mend; what a visitor did wrong is in the request's own line already.
    if (refusals[code][0] >= 500)
      deps.log.error({ reqId: request.id, err: error, route: request.routeOptions.url ?? null }, 'request failed')
    return answerRefusal(request, reply, code)
  })
}

export function answerRefusal(request: FastifyRequest, reply: FastifyReply, code: RefusalCode): FastifyReply {
  const [status, detail] = refusals[code]
  reply.code(status)
  if (code === 'TOO_BUSY') reply.header('retry-after', comeAgainIn)
  if (!wantsPage(request)) return sendProblem(reply, code)
  const words = refusalWords[code] ?? { title: 'That did not work', text: detail, next: null }
  return reply.type('text/html; charset=utf-8').send(renderPage('refusal', { ...words, code }))
}

export function sendProblem(reply: FastifyReply, code: RefusalCode): FastifyReply {
  const problem = problemOf(code, reply.request.id)
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Addresses no router can read never reach the guard; they get the plainest answer there is. */
export function answerUnreadable(_error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(reply, 'REQUEST_NOT_VALID')
}

export const wantsPage = (request: FastifyRequest) => (request.headers.accept ?? '').includes('text/html')

function codeOf(error: FastifyError): RefusalCode {
  if (error instanceof Refusal) return error.code
  if (isDatabaseAway(error)) return 'TOO_BUSY'
  if (error.statusCode === 413) return 'BODY_TOO_LARGE'
  if (error.statusCode === 415) return 'BODY_NOT_READABLE'
  return error.statusCode !== undefined && error.statusCode < 500 ? 'REQUEST_NOT_VALID' : 'FAULT'
}
