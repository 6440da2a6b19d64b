import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Db } from '../../shared/postgres/pool.ts'
import { Refusal } from '../../shared/refusal/refusal.ts'
import { problemReplies } from './refusal-replies.ts'

/** `/livez` needs nothing; `/readyz` needs the database, because every promise this door makes is a row. */
export function healthDoors(app: FastifyInstance, db: Db): void {
  const ok = Type.Object({ status: Type.Literal('ok') })
  app.get(
    '/livez',
    { schema: { summary: 'The process answers', tags: ['health'], response: { 200: ok } } },
    async () => ({ status: 'ok' as const }),
  )
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'The process can do its work',
        tags: ['health'],
        response: { 200: ok, ...problemReplies('TOO_BUSY') },
      },
    },
    async (request) => {
      try {
        await db.query('select 1')
      } catch (err) {
        request.log.warn({ err }, 'not ready: the database does not answer')
        throw new Refusal('TOO_BUSY', [{ pointer: '/database', detail: 'The database does not answer.' }])
      }
      return { status: 'ok' as const }
    },
  )
}
