import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { MailingActions, OpsDeps } from '../ops-deps.ts'
import { renderPage } from '../pages/pages.ts'
import { findOrRefuse, showMailing } from './mailing-page.ts'
import { viewMailing } from './mailing-view.ts'

type ActDeps = Pick<OpsDeps, 'pool' | 'now' | 'log' | 'actions'>
type WithId = { Params: { id: string } }

/** What an operator can do to a mailing. Cancelling cannot be undone, so it asks once more on a page of its own. */
export function mailingActs(app: FastifyInstance, deps: ActDeps): void {
  app.post<WithId>('/mailings/:id/pause', (request, reply) => act(deps, request, reply, 'pause', 'paused'))
  app.post<WithId>('/mailings/:id/resume', (request, reply) => act(deps, request, reply, 'resume', 'resumed'))
  app.post<WithId>('/mailings/:id/cancel', (request, reply) => act(deps, request, reply, 'cancel', 'cancelled'))

  app.get<WithId>('/mailings/:id/cancel', async (request, reply) => {
    const view = viewMailing(await findOrRefuse(deps, request.params.id), deps.now())
    if (!view.live) return reply.redirect(`/mailings/${view.mailing.id}`, 303)
    reply.type('text/html; charset=utf-8')
    return renderPage('cancel', { ...view, heading: view.title, title: `Cancel: ${view.title}` })
  })
}

async function act(
  deps: ActDeps,
  request: FastifyRequest<WithId>,
  reply: FastifyReply,
  name: keyof MailingActions,
  said: string,
): Promise<FastifyReply> {
  const { id } = await findOrRefuse(deps, request.params.id)
  const done = await deps.actions[name](id)
  deps.log.info({ mailing: id, act: name, done }, 'operator acted on a mailing')
  if (done) {
    request.session.set('said', said)
    return reply.redirect(`/mailings/${id}`, 303)
  }
  const text = 'Nothing was changed: this mailing was over, or was already so, when the button was pressed.'
  const page = await showMailing(deps, await findOrRefuse(deps, id), { text, wrong: true })
  return reply.code(409).type('text/html; charset=utf-8').send(page)
}
