import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { nanoid } from 'nanoid'
import { answerBrokenHttp } from '../../shared/refusal/broken-http.ts'
import { Refusal } from '../../shared/refusal/refusal.ts'
import { apiDocs } from './api-docs.ts'
import { filesDoor } from './files-door.ts'
import { healthDoors } from './health.ts'
import { watchPaths } from './known-paths.ts'
import { type PublisherDeps, publisherDoors } from './publisher/publisher-doors.ts'
import { sendMissing } from './reader/missing-page.ts'
import { prefersPage } from './reader/prefers-page.ts'
import type { ReaderDeps } from './reader/reader-deps.ts'
import { readerDoors } from './reader/reader-doors.ts'
import { asRefusal, refuseWithProblems, sendProblem } from './refusal-replies.ts'
import { logDatabaseAway, logRequests } from './request-log.ts'

export type ApiDeps = {
  readonly log: FastifyBaseLogger
  readonly trustProxy: readonly string[]
  readonly publicUrl: string
  readonly filesDir: string | null
  /** Whether workers can be woken right now. Nobody at a door needs it: it is told to who watches. */
  readonly queueAnswers: () => Promise<boolean>
  readonly reader: ReaderDeps
  readonly publisher: PublisherDeps
}

/**
 * The public doors, each with its guard:
 *
 * | door | who comes | proved by |
 * | --- | --- | --- |
 * | `reader/` | readers | the token in a link; following needs none, because only the mailbox's owner can confirm |
 * | `publisher/` | a publisher's system | the signature over the raw body |
 * | `health`, `docs/`, `files/` | anybody | nothing: they tell nothing of anybody |
 */
export async function buildApi(deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => nanoid(12),
    trustProxy: deps.trustProxy.length > 0 ? [...deps.trustProxy] : false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    bodyLimit: 64 * 1024,
    requestTimeout: 20_000,
    // While it ends, what comes over a connection that is still open is answered as ever, and the connection closed.
    return503OnClosing: false,
    connectionTimeout: 30_000,
    // Members that a schema does not know are refused, not quietly taken out, and `"1"` is no number.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
    clientErrorHandler: answerBrokenHttp,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(request, reply, asRefusal(error) ?? new Refusal('REQUEST_NOT_VALID'))
    },
  })
  // A form in parts is read part by part, past the limit that holds for every other body: so it is asked before.
  app.addHook('onRequest', async (request, reply) => {
    if (Number(request.headers['content-length'] ?? 0) <= request.routeOptions.bodyLimit) return
    reply.header('connection', 'close')
    throw new Refusal('BODY_TOO_LARGE')
  })
  const paths = watchPaths(app)
  logRequests(app)
  logDatabaseAway(app)
  refuseWithProblems(app)
  app.setNotFoundHandler((request, reply) => {
    const allowed = paths.methodsOf(request.url.split('?')[0]!)
    // A door that takes the method may still find nothing behind it: a file that is not there.
    if (allowed.length === 0 || allowed.includes(request.method)) {
      if (prefersPage(request)) return sendMissing(request, reply, deps.reader)
      return sendProblem(request, reply, new Refusal('NOT_FOUND'))
    }
    return sendProblem(request, reply.header('allow', allowed.join(', ')), new Refusal('METHOD_NOT_ALLOWED'))
  })

  await app.register(formbody, { bodyLimit: 64 * 1024 })
  await app.register(multipart, {
    attachFieldsToBody: 'keyValues',
    limits: { fields: 20, fieldSize: 16 * 1024, fieldNameSize: 100, files: 0, parts: 20 },
  })
  await app.register(apiDocs(deps.publicUrl))
  await app.register(async (scope) =>
    healthDoors(scope, { pool: deps.publisher.pool, queueAnswers: deps.queueAnswers }),
  )
  await app.register(publisherDoors(deps.publisher))
  await app.register(readerDoors(deps.reader))
  if (deps.filesDir !== null) await app.register(filesDoor(deps.filesDir))
  return app
}
