import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { chown } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { LaunchError } from './launch-error.ts'
import { asAccount, type ServerAccount } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { readPidFile } from './postgres-pid-file.ts'

export type ServerOptions = {
  readonly dataFolder: string
  readonly logFile: string
  readonly binaries: PostgresBinaries
  readonly account: ServerAccount
  readonly throwAway: boolean
}

export type PostgresServer = {
  readonly port: number
  /** Settles when the server process is gone, asked to or not. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

/** Recovery after a crash replays at most a few WAL segments; a disk that needs longer has another trouble. */
const readyWithin = 60_000
const fastStopWithin = 15_000
/** What another start a moment later can cure: a port taken since we asked, children of a killed server still leaving. */
const passingFault = /Address already in use|could not create any TCP\/IP sockets|pre-existing shared memory block/

/** Starts `postgres` itself, on loopback and a free port, and returns when it takes connections. */
export async function startServer(options: ServerOptions): Promise<PostgresServer> {
  const deadline = Date.now() + readyWithin
  for (;;) {
    const port = await freePort()
    const child = await launch(options, port)
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (await becomesReady(child, options.dataFolder, deadline)) {
      return { port, exited, stop: () => stopServer(options, child, exited) }
    }
    await stopServer(options, child, exited)
    const said = readFileSync(options.logFile, 'utf8')
    if (Date.now() < deadline && passingFault.test(said)) {
      await wait(200)
      continue
    }
    const why = /(?:FATAL|PANIC):\s+(.*)/.exec(said)?.[1] ?? said.trim().split('\n').at(-1)
    throw new LaunchError(`PostgreSQL does not start: ${why || 'it says nothing'} (its log is ${options.logFile}).`)
  }
}

async function launch(options: ServerOptions, port: number): Promise<ChildProcess> {
  const { account, binaries, dataFolder, logFile, throwAway } = options
  const log = openSync(logFile, 'w', 0o640)
  try {
    if (account !== null) await chown(logFile, account.uid, account.gid)
    const child = spawn(join(binaries.folder, 'bin', 'postgres'), ['-D', dataFolder, ...settings(port, throwAway)], {
      ...asAccount(account),
      stdio: ['ignore', log, log],
      // A group of its own: Ctrl-C at the terminal must reach the processes that write first, and this one last.
      detached: process.platform !== 'win32',
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', (cause) =>
        reject(
          new LaunchError(`PostgreSQL cannot be started as ${account?.name ?? 'you'}: ${cause.message}.`, { cause }),
        ),
      )
    })
    return child
  } finally {
    closeSync(log)
  }
}

function settings(port: number, throwAway: boolean): string[] {
  const chosen: Record<string, string> = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Each process has a pool of its own, and the queues another; the default of 100 is soon reached on one host.
    max_connections: '200',
    ...(throwAway ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  }
  return Object.entries(chosen).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** The server writes its state into its pid file, as pg_ctl reads it; no connection has to be tried. */
async function becomesReady(child: ChildProcess, dataFolder: string, deadline: number): Promise<boolean> {
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const noted = readPidFile(dataFolder)
    if (noted?.pid === child.pid && noted?.status === 'ready') return true
    await wait(10)
  }
  return false
}

async function stopServer(options: ServerOptions, child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  askToStop(options, child)
  const harder = setTimeout(() => child.kill('SIGQUIT'), fastStopWithin)
  const hardest = setTimeout(() => child.kill('SIGKILL'), fastStopWithin * 2)
  await exited
  clearTimeout(harder)
  clearTimeout(hardest)
}

/** SIGINT is PostgreSQL's fast stop: sessions are rolled back and everything is written. Windows has no such signal. */
function askToStop({ binaries, dataFolder }: ServerOptions, child: ChildProcess): void {
  if (process.platform !== 'win32') child.kill('SIGINT')
  else spawnSync(join(binaries.folder, 'bin', 'pg_ctl'), ['stop', '-m', 'fast', '-D', dataFolder])
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
