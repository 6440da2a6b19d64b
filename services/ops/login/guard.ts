import { createHash, hkdfSync } from 'node:crypto'
import secureSession from '@fastify/secure-session'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { warnSeldom } from '../../../shared/log/warn-seldom.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { boardApiPath } from '../queue-board/board-path.ts'
import { answerRefusal, sendProblem, wantsPage } from '../refusal-replies.ts'
import { askForPassword } from './ask-for-password.ts'
import { isFromHere } from './is-from-here.ts'
import { idleHours, type Sessions } from './sessions.ts'
import type { TryPassword } from './try-password.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `open`: without login. `scraper`: the operators' password by HTTP Basic will do. Nothing: login. */
    door?: 'open' | 'scraper'
    /** Asked by a script, not by a person: does not keep a session from lapsing. */
    unattended?: boolean
  }
}

export type GuardDeps = Pick<OpsDeps, 'log' | 'password' | 'sessionKey' | 'secureCookies'> & {
  readonly sessions: Sessions
  readonly tryPassword: TryPassword
}

/**
 * Stands before every path, also those that do not exist: first who asks, then from where. It answers by itself and
 * throws nothing, because the queue board has an error handler of its own.
 */
export async function guardDesk(app: FastifyInstance, deps: GuardDeps): Promise<void> {
  await app.register(secureSession, {
    key: cookieKey(deps),
    cookieName: deps.secureCookies ? '__Host-pressebud-ops' : 'pressebud-ops',
    expiry: idleHours * 3600,
    // Lax, not strict: a link in an alert must find the operator logged in. Whatever changes something asks for the origin.
    cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: deps.secureCookies, maxAge: idleHours * 3600 },
  })
  app.addHook('onRequest', async (request, reply) => {
    const { door, unattended } = request.routeOptions.config
    const byScript = unattended === true || (request.method === 'GET' && boardApiPath.test(request.url))
    if (door !== 'open' && !deps.sessions.isOpen(request, !byScript)) {
      if (door === 'scraper') return admitScraper(deps, request, reply)
      return wantsPage(request) ? askForPassword(request, reply, null) : sendProblem(reply, 'LOGIN_NEEDED')
    }
    if (changesSomething(request) && !isFromHere(request)) return answerRefusal(request, reply, 'ORIGIN_FOREIGN')
  })
}

/** Of the password too, so that a new password ends every session. */
function cookieKey(deps: Pick<GuardDeps, 'sessionKey' | 'password'>): Buffer {
  const password = createHash('sha256').update(deps.password).digest()
  return Buffer.from(hkdfSync('sha256', deps.sessionKey, password, 'pressebud ops session', 32))
}

/** A metrics scraper has no cookie: it shows the password by HTTP Basic, under any name. */
async function admitScraper(
  deps: GuardDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const given = /^Basic ([A-Za-z0-9+/=]{1,2000})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (given !== undefined) {
    const tried = Buffer.from(given, 'base64').toString('utf8')
    const verdict = await deps.tryPassword({ address: request.ip, by: 'program' }, tried.slice(tried.indexOf(':') + 1))
    if (verdict === 'right') return undefined
    if (verdict !== 'wrong') {
      return sendProblem(reply.header('Retry-After', verdict.waitSeconds), 'TOO_MANY_REQUESTS')
    }
    warnSeldom(deps.log, { from: request.ip, door: 'metrics' }, 'wrong password', 'metrics')
  }
  return sendProblem(reply.header('WWW-Authenticate', 'Basic realm="Pressebud", charset="UTF-8"'), 'LOGIN_NEEDED')
}

const changesSomething = (request: FastifyRequest) => !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
