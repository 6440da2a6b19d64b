import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSettings } from '../../shared/config/read-settings.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { openWorker, type QueueStore } from '../../shared/queues/queue-store.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { hasRedisCluster, type RedisCluster, startRedisCluster } from '../rig/redis-cluster.ts'
import { until } from '../rig/until.ts'

describe.skipIf(!hasRedisCluster)('the queues on a Redis Cluster of three nodes', () => {
  let cluster: RedisCluster
  let store: QueueStore

  beforeAll(async () => {
    cluster = await startRedisCluster()
    const { REDIS_URL } = readSettings({ REDIS_URL: cluster.url }, ['REDIS_URL'])
    store = { redisUrl: REDIS_URL, databaseUrl: 'postgres://nobody@127.0.0.1:1/none' }
  }, 60_000)

  afterAll(() => cluster.close())

  test('take wake-ups for every queue and give each to a worker once, of one name once', async () => {
    const said: string[] = []
    const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) })
    const worked: string[] = []
    const waking = openWakingQueues(store, log)
    const workers = [
      openWorker(store, 'notices', async ({ noticeId }) => void worked.push(`notice ${noticeId}`), 2, log),
      openWorker(store, 'mail-bulk', async ({ chunk }) => void worked.push(`chunk ${chunk}`), 2, log),
      openWorker(store, 'fan-out', async ({ mailingId }) => void worked.push(`mailing ${mailingId}`), 2, log),
    ]
    await Promise.all(waking.queues.map((queue) => queue.waitUntilReady()))
    const mailingId = '7' as MailingId
    waking.wake(
      'notices',
      ['a', 'b', 'b', 'c'].map((id) => ({ payload: { noticeId: id as NoticeId }, id: `notice-${id}-attempt-1` })),
    )
    waking.wake(
      'mail-bulk',
      [0, 1, 2, 3, 4].map((chunk) => ({ payload: { mailingId, chunk }, id: `chunk-${chunk}-turn-1`, rank: chunk })),
    )
    waking.wake('fan-out', [{ payload: { mailingId }, id: 'mailing-7-turn-1' }])
    await waking.settled()
    await until('all of it is worked', () => worked.length >= 9)
    expect(worked.toSorted()).toEqual([
      ...[0, 1, 2, 3, 4].map((chunk) => `chunk ${chunk}`),
      'mailing 7',
      ...['a', 'b', 'c'].map((id) => `notice ${id}`),
    ])
    expect(said).toEqual([])
    await Promise.all(workers.map((worker) => worker.close()))
    await waking.close()
  }, 30_000)
})
