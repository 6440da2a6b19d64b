import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { openWorker, type QueueStore } from '../../shared/queues/queue-store.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { until } from '../rig/until.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
let store: QueueStore

beforeAll(async () => {
  database = await openTestDatabase()
  store = { redisUrl: null, databaseUrl: database.url }
})
afterAll(() => database.close())

test('in PostgreSQL what a process that is gone had taken up is worked by another, though its clock was an hour ahead', {
  timeout: 60_000,
}, async ({ onTestFinished }) => {
  const waking = openWakingQueues(store, log)
  onTestFinished(waking.close)
  await Promise.all(waking.queues.map((queue) => queue.waitUntilReady()))
  waking.wake('notices', [{ payload: { noticeId: 'a' as NoticeId }, id: 'notice-a-attempt-1' }])
  await waking.settled()
  // What BullMQ does for a process: it looks for jobs of others that are gone, takes one up, and is killed.
  const ahead = Date.now() + 3_600_000
  await database.pool.query(`select queues.move_stalled_jobs_to_wait('notices', 100, $1, 3000)`, [ahead])
  const { rowCount } = await database.pool.query(
    `select queues.move_to_active('notices', 'gone', 8000, $1, null, null, null)`,
    [ahead],
  )
  expect(rowCount).toBe(1)

  const worked: string[] = []
  const worker = openWorker(store, 'notices', async ({ noticeId }) => void worked.push(noticeId), 1, log)
  onTestFinished(worker.close)
  await until('it is worked', () => worked.length > 0)
  expect(worked).toEqual(['a'])
})
