import { spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
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

  async function start(): Promise<void> {
    const log = openSync(join(folder, 'postgres-again.log'), 'a')
    // Another user's processes are root's to start only; as oneself, uid and gid are one's own.
    const child = spawn(program, args, {
      ...(process.getuid?.() === 0 ? { uid, gid } : {}),
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: ['ignore', log, log],
      detached: true,
    })
    pid = child.pid!
    for (let tries = 0; tries < 600 && isThere(pid); tries += 1) {
      if (await pool.query('select').catch(() => null)) return
      await pause(50)
    }
  }

  async function stop(how: 'fast' | 'crash'): Promise<void> {
    if (how === 'fast') process.kill(pid, 'SIGINT')
    // The children see their parent gone and end; the next start waits for them by its own lock.
    else for (const victim of [pid, ...descendantsOf(pid)]) kill(victim, 'SIGKILL')
    while (isThere(pid)) await pause(10)
  }

  return {
    restart: async (how, awayFor) => {
      await stop(how)
      await pause(awayFor)
      await start()
      // A lock left by children still ending makes the first start give up.
      while (!isThere(pid)) await start()
    },
    hang: async (milliseconds) => {
      const all = [pid, ...descendantsOf(pid)]
      for (const victim of all) kill(victim, 'SIGSTOP')
      await pause(milliseconds)
      for (const victim of all) kill(victim, 'SIGCONT')
    },
    revive: async () => {
      if (isThere(pid)) return false
      while (!isThere(pid)) await start()
      return true
    },
    close: async () => {
      if (isThere(pid)) await stop('fast')
    },
  }
}

function isThere(pid: number): boolean {
  try {
    // Between its end and its parent's taking notice a process is a zombie.
    return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
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
