import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A program of the distribution, or null where it is not installed; sbin is looked into as well. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null
}

/**
 * A port nobody listens on at this moment, from below those that systems lend to whoever asks for any (Linux from 32768,
 * others from 49152): one of those can go to a passing connection before the program it is meant for listens. The two
 * thousand between are for what the nodes of a Redis Cluster tell each other.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Ends a program and waits until it is gone. */
export async function endProgram(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await gone
}

export type SmtpSink = { readonly port: number; readonly child: ChildProcess; count(): number; close(): Promise<void> }

/** Postfix's own volume sink: takes everything, keeps nothing, counts. */
export async function startSmtpSink(): Promise<SmtpSink> {
  const program = needProgram('smtp-sink', 'postfix')
  const port = await freePort()
  // As root it insists on another account.
  const account = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  // It writes “sess=… quit=… mesg=…” anew with each letter: into a file, because waking a reader each time would take a
  // sixth of a core from whoever is measured.
  const path = join(tmpdir(), `pressebud-sink-${process.pid}-${port}`)
  const told = openSync(path, 'w+', 0o600)
  rmSync(path)
  const child = spawn(program, [...account, '-c', `127.0.0.1:${port}`, '1024'], { stdio: ['ignore', told, 'pipe'] })
  await untilListening(port)
  return {
    port,
    child,
    count: () => Number([...lastOf(told).matchAll(/mesg=(\d+)/g)].at(-1)?.[1] ?? 0),
    close: async () => {
      await endProgram(child)
      closeSync(told)
    },
  }
}

function lastOf(file: number): string {
  const bytes = Buffer.alloc(200)
  const read = readSync(file, bytes, 0, bytes.length, Math.max(0, fstatSync(file).size - bytes.length))
  return bytes.toString('latin1', 0, read)
}

export type RedisServer = {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  close(): Promise<void>
}

/** A Redis of our own, as production is told to run it: nothing evicted, every write in the append-only file. */
export async function startRedis(folder: string, port?: number): Promise<RedisServer> {
  const program = findProgram('redis-server') ?? needProgram('valkey-server', 'redis-server')
  const chosen = port ?? (await freePort())
  const options = [
    '--port',
    String(chosen),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'yes',
    '--dir',
    folder,
  ]
  const child = spawn(program, [...options, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
  await untilListening(chosen)
  return { url: `redis://127.0.0.1:${chosen}`, port: chosen, child, close: () => endProgram(child) }
}

export function needProgram(name: string, pack: string): string {
  const path = findProgram(name)
  if (path === null) throw new Error(`${name} is not installed; on Debian: apt-get install ${pack}`)
  return path
}

export async function untilListening(port: number): Promise<void> {
  const { connect } = await import('node:net')
  for (let tries = 0; tries < 500; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.on('connect', () => socket.destroy())
      socket.on('error', () => resolve(false))
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nothing listens on port ${port}`)
}
