import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import type { FastifyInstance } from 'fastify'
import type { OpsDeps } from '../ops-deps.ts'
import { boardPrefix } from './board-path.ts'

/**
 * The queues themselves, job by job, to look at. Jobs are wake-ups, so nothing could be mended by acting on one; but a queue that is
 * paused keeps all letters back, and no mailing's page would say so.
 */
export async function queueBoard(app: FastifyInstance, deps: Pick<OpsDeps, 'boards'>): Promise<void> {
  const server = new FastifyAdapter()
  server.setBasePath(boardPrefix)
  createBullBoard({
    queues: deps.boards.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: server,
    options: {
      uiBasePath: pages,
      uiConfig: {
        boardTitle: 'Pressebud queues',
        boardLogo: { path: '/icon.svg', width: 28, height: 28 },
        hideDocsLink: true,
        miscLinks: [{ text: 'Back to mailings', url: '/' }],
        favIcon: { default: '/icon.svg', alternative: '/icon.svg' },
      },
    },
  })
  await app.register(
    async (scope) => {
      scope.addHook('onSend', async (_request, reply, payload) =>
        typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html')
          ? payload.replace(foreignFonts, '')
          : payload,
      )
      await scope.register(server.registerPlugin())
    },
    { prefix: boardPrefix },
  )
}

const pages = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'))

// The board's page asks a third party for its typeface. The policy would stop it; without the link nothing is asked.
const foreignFonts = /<link href="https:\/\/fonts\.googleapis\.com[^>]*>/g
