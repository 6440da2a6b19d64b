import type { FastifyInstance } from 'fastify'
import { warnSeldom } from '../../../shared/log/warn-seldom.ts'
import { askForPassword, safeNext } from './ask-for-password.ts'
import type { GuardDeps } from './guard.ts'

/** In by the operators' one password, out by a button. */
export function loginDoor(app: FastifyInstance, deps: GuardDeps): void {
  app.get('/login', { config: { door: 'open' } }, async (request, reply) => {
    if (deps.sessions.isOpen(request, true)) return reply.redirect('/', 303)
    return askForPassword(request, reply, null)
  })

  app.post<{ Body: unknown }>('/login', { config: { door: 'open' } }, async (request, reply) => {
    const next = safeNext(fieldOf(request.body, 'next'))
    const verdict = await deps.tryPassword({ address: request.ip, by: 'person' }, fieldOf(request.body, 'password'))
    if (verdict === 'right') {
      deps.sessions.open(request)
      deps.log.info({ from: request.ip }, 'operator logged in')
      return reply.redirect(next, 303)
    }
    const sentence = verdict === 'wrong' ? 'wrong password' : 'login refused: too many tries'
    warnSeldom(deps.log, { from: request.ip, door: 'login' }, sentence, 'login')
    if (verdict === 'wrong') {
      const text = 'That is not the password. It is the value of OPS_PASSWORD where this process was started.'
      return askForPassword(request, reply, { status: 401, text }, next)
    }
    const minutes = Math.ceil(verdict.waitSeconds / 60)
    const text = `Too many wrong tries. Wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`}, or restart this process to begin anew.`
    return askForPassword(request, reply.header('Retry-After', verdict.waitSeconds), { status: 429, text }, next)
  })

  app.post('/logout', async (request, reply) => {
    deps.sessions.end(request)
    return reply.redirect('/login', 303)
  })
}

function fieldOf(body: unknown, name: string): string {
  const value = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' ? value : ''
}
