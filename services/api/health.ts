import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Log } from '../../shared/log/log.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { Refusal } from '../../shared/refusal/refusal.ts'
import { within } from '../../shared/within.ts'
import { problemReplies } from './refusal-replies.ts'

export type HealthDeps = { readonly pool: Pool; readonly queueAnswers: () => Promise<boolean> }

/**
 * `/livez` needs nothing. `/readyz` needs the database, because every promise this process makes is a row. Without the queue
 * it can do all its work and says so: letters wait, and nobody at a door is turned away for it. Queues on PostgreSQL are
 * never away by themselves, so with them it is either whole or 503.
 */
export function healthDoors(app: FastifyInstance, deps: HealthDeps): void {
  const ok = Type.Object({ status: Type.Literal('ok') })
  app.get(
    '/livez',
    { schema: { summary: 'The process answers', tags: ['health'], response: { 200: ok } } },
    async () => ({ status: 'ok' as const }),
  )
  let look: Promise<Standing> | null = null
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'The process can do its work',
        description:
          '`degraded`: it does all its work, and letters wait, because the queue is away. 503 names what is missing in `errors`.',
        tags: ['health'],
        response: {
          200: Type.Object({
            status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
            queue: Type.Optional(Type.Literal('away')),
          }),
          ...problemReplies('TOO_BUSY'),
        },
      },
    },
    async (request) => {
      // However many ask, the database is asked once.
      look ??= lookAround(deps, request.log).finally(() => {
        look = null
      })
      const { missing, isQueueAway } = await look
      if (missing !== null) throw new Refusal('TOO_BUSY', [{ pointer: '/database', detail: missing }])
      return isQueueAway ? { status: 'degraded' as const, queue: 'away' as const } : { status: 'ok' as const }
    },
  )
}

/** `missing`: what keeps the process from its work, in a sentence. */
type Standing = { readonly missing: string | null; readonly isQueueAway: boolean }

/** Milliseconds; whoever watches waits for some seconds at the most. */
const patience = 2_000

async function lookAround({ pool, queueAnswers }: HealthDeps, log: Pick<Log, 'warn'>): Promise<Standing> {
  const [missing, answers] = await Promise.all([
    within(patience, whatIsMissing(pool, log), 'The database does not answer.'),
    within(patience, queueAnswers(), false),
  ])
  return { missing, isQueueAway: !answers }
}

async function whatIsMissing(pool: Pool, log: Pick<Log, 'warn'>): Promise<string | null> {
  try {
    const { rows } = await pool.query<{ mode: string }>({
      text: `select current_setting('transaction_read_only') as mode`,
      query_timeout: patience,
    } as { text: string })
    return rows[0]?.mode === 'on' ? 'The database may only be read.' : null
  } catch (err) {
    log.warn({ err }, 'not ready: the database does not answer')
    const { code } = err as { code?: unknown }
    return typeof code === 'string' ? `The database cannot be used (${code}).` : 'The database does not answer.'
  }
}
