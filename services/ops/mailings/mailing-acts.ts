import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Settlement, settlements } from '../../../shared/delivery/settle-doubt.sql.ts'
import { whoActs } from '../login/sessions.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { renderPage } from '../pages/pages.ts'
import { findOrRefuse, showMailing } from './mailing-page.ts'
import { viewMailing } from './mailing-view.ts'

type ActDeps = Pick<OpsDeps, 'pool' | 'now' | 'log' | 'actions'>
type WithId = { Params: { id: string } }

/** What an operator can do to a mailing. What cannot be undone asks once more on a page of its own. */
export function mailingActs(app: FastifyInstance, deps: ActDeps): void {
  app.post<WithId>('/mailings/:id/pause', (request, reply) => pause(deps, request, reply, 'pause'))
  app.post<WithId>('/mailings/:id/resume', (request, reply) => pause(deps, request, reply, 'resume'))
  app.post<WithId>('/mailings/:id/cancel', (request, reply) => act(deps, request, reply, 'cancel', 'cancelled'))
  app.post<WithId>('/mailings/:id/try-again', (request, reply) => act(deps, request, reply, 'tryAgain', 'tried-again'))

  app.get<WithId>('/mailings/:id/cancel', async (request, reply) => {
    const view = viewMailing(await findOrRefuse(deps, request.params.id), deps.now())
    if (!view.live) return reply.redirect(`/mailings/${view.mailing.id}`, 303)
    reply.type('text/html; charset=utf-8')
    return renderPage('cancel', { ...view, heading: view.title, title: `Cancel: ${view.title}` })
  })

  for (const as of settlements) {
    app.post<WithId>(`/mailings/:id/doubts/${as}`, (request, reply) => settle(deps, request, reply, as))
    app.get<WithId>(`/mailings/:id/doubts/${as}`, async (request, reply) => {
      const view = viewMailing(await findOrRefuse(deps, request.params.id), deps.now())
      if (view.mailing.totals.inDoubt === 0) return reply.redirect(`/mailings/${view.mailing.id}`, 303)
      reply.type('text/html; charset=utf-8')
      return renderPage('settle', { ...view, as, heading: view.title, title: `${settleTitles[as]}: ${view.title}` })
    })
  }
}

async function pause(
  deps: ActDeps,
  request: FastifyRequest<WithId>,
  reply: FastifyReply,
  name: 'pause' | 'resume',
): Promise<FastifyReply> {
  const { id } = await findOrRefuse(deps, request.params.id)
  const became = await deps.actions[name](id)
  const done = became === 'done' || became === 'done, given up'
  deps.log.info({ mailing: id, act: name, done, ...whoActs(request) }, 'operator acted on a mailing')
  if (done) {
    request.session.set('said', became === 'done' ? `${name}d` : `${name}d-given-up`)
    return reply.redirect(`/mailings/${id}`, 303)
  }
  const words = name === 'pause' ? 'this mailing is paused already.' : 'this mailing is not paused.'
  return changedNothing(deps, reply, id, became === 'already' ? words : 'this mailing is over.')
}

async function act(
  deps: ActDeps,
  request: FastifyRequest<WithId>,
  reply: FastifyReply,
  name: 'cancel' | 'tryAgain',
  said: string,
): Promise<FastifyReply> {
  const { id } = await findOrRefuse(deps, request.params.id)
  const done = await deps.actions[name](id)
  deps.log.info({ mailing: id, act: name, done, ...whoActs(request) }, 'operator acted on a mailing')
  if (done) {
    request.session.set('said', said)
    return reply.redirect(`/mailings/${id}`, 303)
  }
  return changedNothing(deps, reply, id, 'this mailing was over, or was already so, when the button was pressed.')
}

const settleTitles: Record<Settlement, string> = { again: 'Send again', sent: 'Count as sent' }

async function settle(
  deps: ActDeps,
  request: FastifyRequest<WithId>,
  reply: FastifyReply,
  as: Settlement,
): Promise<FastifyReply> {
  const { id } = await findOrRefuse(deps, request.params.id)
  const settled = await deps.actions.settle(id, as)
  deps.log.info({ mailing: id, act: 'settle', as, settled, ...whoActs(request) }, 'operator acted on a mailing')
  if (settled === 'over' || settled === 'unknown')
    return changedNothing(
      deps,
      reply,
      id,
      'this mailing was cancelled or replaced by a later revision: it sends nothing.',
    )
  if (settled.letters > 0) {
    request.session.set('said', settled.left > 0 ? 'settled-some' : `settled-${as}`)
    return reply.redirect(`/mailings/${id}`, 303)
  }
  const why =
    settled.left > 0
      ? 'a worker has these letters in hand. Press again in a second; where a worker was lost, in a minute.'
      : 'no letter is in doubt.'
  return changedNothing(deps, reply, id, why)
}

async function changedNothing(deps: ActDeps, reply: FastifyReply, id: string, why: string): Promise<FastifyReply> {
  const page = await showMailing(deps, await findOrRefuse(deps, id), {
    text: `Nothing was changed: ${why}`,
    wrong: true,
  })
  return reply.code(409).type('text/html; charset=utf-8').send(page)
}
