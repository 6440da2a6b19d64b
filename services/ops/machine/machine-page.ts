import type { FastifyInstance } from 'fastify'
import { readMachineFigures } from '../../../shared/mailing/machine-figures.sql.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { renderPage } from '../pages/pages.ts'
import { judgeMachine } from './judge-machine.ts'
import { countQueues } from './queue-counts.ts'

/** What waits in the whole house, and how the queues stand. */
export function machinePage(app: FastifyInstance, deps: Pick<OpsDeps, 'pool' | 'now' | 'boards'>): void {
  app.get('/machine', async (_request, reply) => {
    const now = deps.now()
    const [figures, queues] = await Promise.all([readMachineFigures(deps.pool, now), countQueues(deps.boards)])
    const findings = judgeMachine(figures, now)
    reply.type('text/html; charset=utf-8')
    return renderPage('machine', {
      title: 'Machine',
      now,
      findings,
      wrong: findings.filter((finding) => finding.wrong),
      queues,
    })
  })
}
