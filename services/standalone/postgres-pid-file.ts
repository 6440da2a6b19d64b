import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openPool } from '../../shared/postgres/pool.ts'
import { LaunchError } from './launch-error.ts'
import { superuser } from './postgres-cluster.ts'
import { findRunningProcess } from './running-process.ts'

/** What a running server notes in `postmaster.pid`. */
export type PidFile = { readonly pid: number; readonly port: number; readonly status: string }

export function readPidFile(dataFolder: string): PidFile | null {
  try {
    // The lines' order is pg_ctl's own contract (miscadmin.h): 1 is the process, 4 the port, 8 the state.
    const lines = readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' }
  } catch {
    return null
  }
}

/**
 * A server outlives a launcher that was killed. The one an earlier launcher left behind is stopped, so that this run
 * starts from its own settings and log. When the noted number belongs to somebody else by now, only the note goes;
 * when nobody has it, the server's own start clears up, and knows better than we whether children are left.
 */
export async function stopEarlierServer(dataFolder: string, password: string | null): Promise<void> {
  const noted = readPidFile(dataFolder)
  if (noted === null || findRunningProcess(noted.pid) === null) return
  if (!(await isOurServer(dataFolder, noted, password))) {
    await rm(join(dataFolder, 'postmaster.pid'), { force: true })
    return
  }
  // Fast, then immediate: the second is a crash to PostgreSQL, which it recovers from.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    process.kill(noted.pid, signal)
    if (await isGoneWithin(noted.pid, 15_000)) return
  }
  throw new LaunchError(
    `A PostgreSQL left by an earlier run (process ${noted.pid}) does not stop: end it, then start again.`,
  )
}

async function isOurServer(dataFolder: string, noted: PidFile, password: string | null): Promise<boolean> {
  const { command } = findRunningProcess(noted.pid) ?? { command: '' }
  // Its children are renamed to "postgres: …"; only the server itself keeps the words it was started with.
  if (command.includes('postgres') && command.includes(` ${dataFolder} `)) return true
  return password !== null && (await answersAsOurs(dataFolder, noted.port, password))
}

/** Where commands cannot be read: our password opens it, and it serves this very folder. */
async function answersAsOurs(dataFolder: string, port: number, password: string): Promise<boolean> {
  if (!Number.isInteger(port) || port <= 0) return false
  const url = `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`
  const pool = openPool({ url, name: 'pressebud-launcher', most: 1, onError: () => {} })
  try {
    const { rows } = await pool.query<{ folder: string }>(`select current_setting('data_directory') as folder`)
    return rows[0]?.folder === dataFolder
  } catch {
    return false
  } finally {
    await pool.end()
  }
}

async function isGoneWithin(pid: number, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds
  while (Date.now() < deadline) {
    if (findRunningProcess(pid) === null) return true
    await wait(20)
  }
  return false
}
