import formbody from '@fastify/formbody'
import { type FastifyInstance, fastify } from 'fastify'
import { nanoid } from 'nanoid'
import { answerBrokenHttp } from '../../shared/refusal/broken-http.ts'
import { serveAssets } from './assets/assets.ts'
import { guardDesk } from './login/guard.ts'
import { loginDoor } from './login/login-page.ts'
import { openSessions } from './login/sessions.ts'
import { passwordTries } from './login/try-password.ts'
import { machineActs } from './machine/machine-acts.ts'
import { machinePage } from './machine/machine-page.ts'
import { mailingActs } from './mailings/mailing-acts.ts'
import { mailingPage } from './mailings/mailing-page.ts'
import { mailingsPage } from './mailings/mailings-page.ts'
import { metricsDoor } from './metrics/metrics.ts'
import type { OpsDeps } from './ops-deps.ts'
import { queueBoard } from './queue-board/queue-board.ts'
import { answerUnreadable, refusalReplies } from './refusal-replies.ts'
import { logRequests } from './request-log.ts'
import { strictHeaders } from './strict-headers.ts'

export type { BoardQueue, MailingActions, OpsDeps } from './ops-deps.ts'

/**
 * The operators' desk. Everything is behind the login unless its route says otherwise: the guard stands before every
 * path, known or not, so a door somebody forgets to lock is locked.
 */
export async function buildOpsApp(deps: OpsDeps): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    genReqId: () => nanoid(12),
    bodyLimit: 256 * 1024,
    // A slow visitor may not hold a connection for ever; the desk has no long answers.
    requestTimeout: 30_000,
    frameworkErrors: answerUnreadable,
    clientErrorHandler: answerBrokenHttp,
    routerOptions: { maxParamLength: 200 },
  })
  const login = { ...deps, sessions: openSessions(deps.now), tryPassword: await passwordTries(deps) }

  logRequests(app, deps)
  await strictHeaders(app, deps)
  refusalReplies(app, deps)
  await app.register(formbody)
  await guardDesk(app, login)

  app.get('/livez', { config: { door: 'open' } }, async () => ({ status: 'live' }))
  serveAssets(app)
  loginDoor(app, login)
  mailingsPage(app, deps)
  mailingPage(app, deps)
  mailingActs(app, deps)
  machinePage(app, deps)
  machineActs(app, deps)
  metricsDoor(app, deps)
  await queueBoard(app, deps)
  return app
}
