import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endProgram, findProgram, freePort, needProgram, untilListening } from './programs.ts'
import { until } from './until.ts'

/** Whether this machine can run one: the server, and the client that makes a cluster of servers. */
export const hasRedisCluster = findProgram('redis-server') !== null && findProgram('redis-cli') !== null

export type RedisCluster = {
  /** For REDIS_URL, in the form an operator writes it: two of the three are named, the third has to be found. */
  readonly url: string
  /** Kills the node that holds this key; what is returned starts it again with all it had written down. */
  loseHolderOf(key: string): Promise<() => Promise<void>>
  close(): Promise<void>
}

const password = 'of the cluster'

/** Three masters of our own on free ports, behind a password, each with every write in its append-only file. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const server = needProgram('redis-server', 'redis-server')
  const client = needProgram('redis-cli', 'redis-tools')
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-cluster-'))
  const nodes = new Map<number, ChildProcess>()
  const startNode = async (port: number) => {
    const dir = join(folder, String(port))
    mkdirSync(dir, { recursive: true })
    const options = [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'yes'],
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--maxmemory-policy', 'noeviction'],
      ...['--requirepass', password, '--masterauth', password],
    ]
    nodes.set(port, spawn(server, options, { stdio: 'ignore' }))
    await untilListening(port)
  }
  const ask = (port: number, ...words: string[]) =>
    execFileSync(client, ['-p', String(port), ...words], {
      env: { ...process.env, REDISCLI_AUTH: password },
      encoding: 'utf8',
      stdio: 'pipe',
    })

  const ports = await clusterPorts(3)
  await Promise.all(ports.map(startNode))
  ask(ports[0]!, '--cluster', 'create', ...ports.map((port) => `127.0.0.1:${port}`), '--cluster-yes')
  await until('every node knows the cluster is whole', () =>
    ports.every((port) => /cluster_state:ok.*cluster_known_nodes:3/s.test(ask(port, 'cluster', 'info'))),
  )
  const holderOf = (key: string) => {
    const slot = Number(ask(ports[0]!, 'cluster', 'keyslot', key))
    const holds = (port: number) =>
      [...ask(port, 'cluster', 'nodes').matchAll(/ myself,.* connected(.*)$/gm)].some(([, slots]) =>
        [...slots!.matchAll(/(\d+)-(\d+)/g)].some(([, first, last]) => slot >= Number(first) && slot <= Number(last)),
      )
    return ports.find(holds)!
  }
  return {
    url: ports
      .slice(0, 2)
      .map((port) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`)
      .join(', '),
    loseHolderOf: async (key) => {
      const port = holderOf(key)
      await endProgram(nodes.get(port)!, 'SIGKILL')
      return () => startNode(port)
    },
    close: async () => {
      await Promise.all([...nodes.values()].map((node) => endProgram(node)))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Nodes speak to each other ten thousand ports higher, and those too must lie below what is lent to passing connections. */
async function clusterPorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = await freePort()
    if (port < 22_000) ports.add(port)
  }
  return [...ports]
}
