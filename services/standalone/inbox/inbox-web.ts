import type { AddressInfo } from 'node:net'
import formbody from '@fastify/formbody'
import { type FastifyError, type FastifyInstance, fastify } from 'fastify'
import { nanoid } from 'nanoid'
import type { Log } from '../../../shared/log/log.ts'
import { problemOf } from '../../../shared/refusal/problem.ts'
import { Refusal, type RefusalCode } from '../../../shared/refusal/refusal.ts'
import { addInboxApi } from './inbox-api.ts'
import type { InboxDeps } from './inbox-deps.ts'
import { addInboxPage } from './inbox-page.ts'
import { listenFrom } from './listen-from.ts'
import { guardLocalDoor } from './local-guard.ts'
import { renderPage } from './page-templates.ts'

export type InboxWeb = { readonly port: number; close(): Promise<void> }

/** The inbox in a browser, and the same as JSON for programs. */
export async function openInboxWeb(deps: InboxDeps, port: number): Promise<InboxWeb> {
  const closing = new AbortController()
  const app = fastify({
    genReqId: () => nanoid(12),
    bodyLimit: 64 * 1024,
    forceCloseConnections: true,
    exposeHeadRoutes: true,
  })
  guardLocalDoor(app)
  answerRefusals(app, deps.log)
  await app.register(formbody)
  app.register(async (scope) => addInboxApi(scope, deps, closing.signal), { prefix: '/api' })
  app.register(async (scope) => addInboxPage(scope, deps))
  await listenFrom(port, (candidate) => app.listen({ port: candidate, host: '127.0.0.1' }))
  return {
    port: (app.server.address() as AddressInfo).port,
    async close() {
      closing.abort()
      await app.close()
    },
  }
}

function answerRefusals(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler(() => {
    throw new Refusal('NOT_FOUND')
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const refusal = error instanceof Refusal ? error : new Refusal(codeOf(error))
    if (refusal.status >= 500)
      log.error({ reqId: request.id, err: error, url: request.routeOptions.url }, 'the inbox page failed')
    reply.code(refusal.status)
    if (request.url.startsWith('/api/')) {
      const problem = problemOf(refusal.code, request.id, refusal.faults)
      return reply.type('application/problem+json').send(JSON.stringify(problem))
    }
    const detail = refusal.faults[0]?.detail ?? refusal.message
    return reply.type('text/html; charset=utf-8').send(renderPage('trouble', { title: refusal.message, detail }))
  })
}

function codeOf(error: FastifyError): RefusalCode {
  if (error.validation !== undefined) return 'REQUEST_NOT_VALID'
  if (error.statusCode === 413) return 'BODY_TOO_LARGE'
  if (error.statusCode === 415) return 'BODY_NOT_READABLE'
  return error.statusCode !== undefined && error.statusCode < 500 ? 'REQUEST_NOT_VALID' : 'FAULT'
}
