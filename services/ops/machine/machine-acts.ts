import type { FastifyInstance } from 'fastify'
import { dropPace } from '../../../shared/delivery/pace.sql.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { whoActs } from '../login/sessions.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { type MachineDeps, showMachine } from './machine-page.ts'

/** What an operator can do from the machine page. It is undone by itself: who is still slow or refuses us is found again. */
export function machineActs(app: FastifyInstance, deps: MachineDeps & Pick<OpsDeps, 'log'>): void {
  app.post<{ Body: { domain?: unknown } | null }>('/machine/paces/free', async (request, reply) => {
    const domain = request.body?.domain
    // No name is longer; what stands in a form field is anybody's to write.
    if (typeof domain !== 'string' || domain === '' || domain.length > 255 || domain.includes('\0'))
      throw new Refusal('REQUEST_NOT_VALID')
    const freed = await dropPace(deps.pool, domain)
    deps.log.info({ act: 'free', domain, freed, ...whoActs(request) }, 'operator acted on a receiving domain')
    if (freed) {
      request.session.set('freed', domain)
      return reply.redirect('/machine', 303)
    }
    const text = `Nothing was changed: ${domain} runs free already.`
    return reply
      .code(409)
      .type('text/html; charset=utf-8')
      .send(await showMachine(deps, { text, wrong: true }))
  })
}
