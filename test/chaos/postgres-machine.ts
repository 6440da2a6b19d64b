import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pool } from '../../shared/postgres/pool.ts'
import { descendantsOf, parentOf } from '../rig/process-usage.ts'

export type PostgresMachine = {
  /** `fast`: as `pg_ctl restart` does it. `crash`: every process is killed, and the next start recovers. */
  restart(how: 'fast' | 'crash', awayFor: number): Promise<void>
  /** Hears and says nothing for a while. */
  hang(milliseconds: number): Promise<void>
  /** Starts it if it is gone; true: it was. */
  revive(): Promise<boolean>
  close(): Promise<void>
}

/**
 * Takes a running server into its hands: what it was started with is read from the kernel, so that the same server on
 * the same folder and port can be started again, by nobody's code but PostgreSQL's own.
 */
export async function openPostgresMachine(pool: Pool, folder: string): Promise<PostgresMachine> {
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  let pid = parentOf(rows[0]!.pid)
  const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean) as [string]
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const uid = Number(/^Uid:\s+(\d+)/m.exec(status)![1])
  const gid = Number(/^Gid:\s+(\d+)/m.exec(status)![1])

  const logFile = join(folder, 'postgres-again.log')

  async function start(): Promise<void> {
    const log = openSync(logFile, 'a')
    // Another user's processes are root's to start only; as oneself, uid and gid are one's own.
    const child = spawn(program, args, {
      ...(process.getuid?.() === 0 ? { uid, gid } : {}),
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    await once(child, 'spawn')
    pid = child.pid!
    for (let tries = 0; tries < 600 && isThere(pid); tries += 1) {
      if (await pool.query('select').catch(() => null)) return
      await pause(50)
    }
  }

  /** A lock left by children still ending makes a start give up; what lasts longer than they can is no fault of ours to play. */
  async function startUntilThere(): Promise<void> {
    const deadline = performance.now() + 60_000
    for (;;) {
      await start()
      if (isThere(pid)) return
      if (performance.now() > deadline) throw new Error(`PostgreSQL does not start again; its log is ${logFile}.`)
      await pause(50)
    }
  }

  async function stop(how: 'fast' | 'crash'): Promise<void> {
    const all = how === 'fast' ? [] : await holdStill()
    if (how === 'fast') process.kill(pid, 'SIGINT')
    else for (const victim of all) kill(victim, 'SIGKILL')
    while ([pid, ...all].some(isThere)) await pause(10)
  }

  /**
   * The server and all its children, once it can have no more. One that was being born when they were counted would outlive
   * them, for ever if it waits for a lock that a killed one held, and no server can be started beside it.
   */
  async function holdStill(): Promise<number[]> {
    kill(pid, 'SIGSTOP')
    while (isThere(pid) && stateOf(pid) !== 'T') await pause(1)
    return [pid, ...descendantsOf(pid)]
  }

  return {
    restart: async (how, awayFor) => {
      await stop(how)
      await pause(awayFor)
      await startUntilThere()
    },
    hang: async (milliseconds) => {
      const all = await holdStill()
      for (const victim of all) kill(victim, 'SIGSTOP')
      await pause(milliseconds)
      for (const victim of all) kill(victim, 'SIGCONT')
    },
    revive: async () => {
      if (isThere(pid)) return false
      await startUntilThere()
      return true
    },
    close: async () => {
      if (isThere(pid)) await stop('fast')
    },
  }
}

/** Between its end and its parent's taking notice a process is a zombie. */
const isThere = (pid: number) => !['', 'Z'].includes(stateOf(pid))

/** R, S, T and so on, as the kernel calls them; nothing: there is no such process. */
function stateOf(pid: number): string {
  try {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Already gone.
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
