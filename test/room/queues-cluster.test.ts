import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSettings } from '../../shared/config/read-settings.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { openWorker, type QueueStore } from '../../shared/queues/queue-store.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { endProgram, findProgram, freePort, untilListening } from '../rig/programs.ts'
import { until } from '../rig/until.ts'

const server = findProgram('redis-server')
const client = findProgram('redis-cli')
const password = 'of the cluster'

describe.skipIf(server === null || client === null)('the queues on a Redis Cluster of three nodes', () => {
  const nodes: ChildProcess[] = []
  let folder: string
  let store: QueueStore

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pressebud-cluster-'))
    const ports = await Promise.all([clusterPort(), clusterPort(), clusterPort()])
    for (const port of ports) nodes.push(startNode(port))
    await Promise.all(ports.map((port) => untilListening(port)))
    const addresses = ports.map((port) => `127.0.0.1:${port}`)
    const env = { ...process.env, REDISCLI_AUTH: password }
    execFileSync(client!, ['--cluster', 'create', ...addresses, '--cluster-yes'], { env, stdio: 'ignore' })
    const asks = (port: number) =>
      execFileSync(client!, ['-p', String(port), 'cluster', 'info'], { env, encoding: 'utf8' })
    await until('every node knows the cluster is whole', () =>
      ports.every((port) => /cluster_state:ok.*cluster_known_nodes:3/s.test(asks(port))),
    )
    // Two of the three are named, in the form an operator writes them; the third has to be found.
    const named = ports.slice(0, 2).map((port) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`)
    const { REDIS_URL } = readSettings({ REDIS_URL: named.join(', ') }, ['REDIS_URL'])
    store = { redisUrl: REDIS_URL, databaseUrl: 'postgres://nobody@127.0.0.1:1/none' }
  }, 60_000)

  afterAll(async () => {
    await Promise.all(nodes.map((node) => endProgram(node)))
    if (folder) rmSync(folder, { recursive: true, force: true })
  })

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

  const startNode = (port: number): ChildProcess => {
    const dir = join(folder, String(port))
    mkdirSync(dir)
    return spawn(
      server!,
      [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'yes'],
        ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--maxmemory-policy', 'noeviction'],
        ...['--requirepass', password, '--masterauth', password],
      ],
      { stdio: 'ignore' },
    )
  }
})

/** Nodes speak to each other ten thousand ports higher, so theirs must lie low enough. */
async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port < 55_000) return port
  }
}
