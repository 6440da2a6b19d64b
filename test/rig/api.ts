import type { FastifyInstance } from 'fastify'
import { type Logger, pino } from 'pino'
import { buildApi } from '../../services/api/app.ts'
import { linkKeys } from '../../shared/links/token.ts'
import { sealingKeys } from '../../shared/newsroom/webhook-secret.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { addressHashKey } from '../../shared/subscriber/address-hash.ts'
import { testSecrets } from '../given/secrets.ts'

export type TestApi = { readonly app: FastifyInstance; readonly woken: string[]; now: Date | null }

/** The whole public door on a real database; wake-ups are kept in a list where the queue would be. */
export async function openTestApi(pool: Pool, wishes: { filesDir?: string; log?: Logger } = {}): Promise<TestApi> {
  const log = wishes.log ?? pino({ level: process.env.TEST_LOG ?? 'silent' })
  const woken: string[] = []
  const wake: Wake = (queue, wakeUps) => {
    for (const { id } of wakeUps) woken.push(`${queue} ${id}`)
  }
  const api: { now: Date | null } = { now: null }
  const now = () => api.now ?? new Date()
  const publicUrl = 'https://press.example'
  const app = await buildApi({
    log,
    trustProxy: [],
    publicUrl,
    filesDir: wishes.filesDir ?? null,
    queueAnswers: async () => true,
    publisher: { pool, wake, now, log, sealingKeys: sealingKeys(testSecrets) },
    reader: {
      pool,
      now,
      log,
      links: linkKeys(testSecrets),
      addressHashKey: addressHashKey(testSecrets),
      publicUrl,
      signUpsPerHour: 1_000,
      signUpCeilings: { newsroom: 1_000_000, installation: 1_000_000 },
      wakeNotice: (id) => woken.push(`notices ${id}`),
      afterOptOut: async () => {},
    },
  })
  await app.ready()
  return Object.assign(api, { app, woken })
}
