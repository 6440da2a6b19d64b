import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnrecoverableError } from 'bullmq'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findMailing } from '../../shared/mailing/mailing.sql.ts'
import { openWorker, type QueueStore } from '../../shared/queues/queue-store.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import { openWakingQueues, type WakingQueues } from '../../shared/queues/wake.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { findProgram, type RedisServer, startRedis } from '../rig/programs.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null
const silent = pino({ level: 'silent' })

// BullMQ gives a job up by itself: after its two tries while the database was away, or when workers were killed over it
// again and again. The row is then as due as before, its fence has not moved, and the next wake-up has the same name.
describe.each(['postgres', 'redis'] as const)('a job that BullMQ has given up, on %s', (kind) => {
  describe.skipIf(kind === 'redis' && !hasRedis)('with a server that is there', () => {
    let database: TestDatabase
    let redis: RedisServer | null = null
    let folder: string
    let inbox: RecordingInbox
    let engine: Engine
    let waking: WakingQueues
    let store: QueueStore

    beforeAll(async () => {
      database = await openTestDatabase()
      folder = mkdtempSync(join(tmpdir(), 'pressebud-redis-'))
      redis = kind === 'redis' ? await startRedis(folder) : null
      store = { redisUrl: redis?.url ?? null, databaseUrl: database.url }
    })
    afterAll(async () => {
      await redis?.close()
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    })
    beforeEach(async () => {
      inbox = await openRecordingInbox()
      engine = openEngine(database.pool, inbox.url)
      waking = openWakingQueues(store, silent)
      await Promise.all(waking.queues.map((queue) => queue.waitUntilReady()))
      return async () => {
        await waking.close()
        await engine.close()
        await inbox.close()
      }
    })

    test('is made up for from the rows: its chunk is sent, each reader once', async () => {
      const newsroom = await givenNewsroom(database.pool)
      await givenReaders(database.pool, newsroom, 5)
      const { mailingId } = await givenMailing(database.pool, newsroom)
      // Where the walk begins is drawn; here it is told, so that there is one chunk.
      await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
      let isBroken = true
      let tries = 0
      const act = async (payload: Payloads['mail-bulk']) => {
        tries += 1
        // Before the chunk is leased, as with a database that is away.
        if (isBroken) throw new UnrecoverableError('job stalled more than allowable limit')
        await sendChunk(engine.mailer, payload)
      }
      const worker = openWorker(store, 'mail-bulk', act, 1, silent)
      try {
        await cutAudience({ ...engine.fanOut, wake: waking.wake }, mailingId)
        await until('the job has been tried', () => tries === 1)
        const bulk = waking.queues.find(({ name }) => name === 'mail-bulk')!
        await until(
          'it is given up',
          async () => (await bulk.getJobCounts('active', 'waiting', 'prioritized')).active === 0,
        )
        expect(inbox.received).toEqual([])

        isBroken = false
        await reconcile({ pool: database.pool, wake: waking.wake, now: () => new Date(), heardUntil: async () => null })
        await until('the mailing is done', async () => (await findMailing(database.pool, mailingId))?.state === 'done')
        expect(inbox.received).toHaveLength(5)
        expect(new Set(inbox.received.map(({ to }) => to)).size).toBe(5)
      } finally {
        await worker.close()
      }
    })
  })
})
