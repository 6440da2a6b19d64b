import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Log } from '../log/log.ts'
import { warnSeldom } from '../log/warn-seldom.ts'
import { isDatabaseAway, isKeptByAnother } from './database-away.ts'
import { HeededClient } from './heeded-client.ts'
import { keepAlive } from './pool.ts'

const folder = join(import.meta.dirname, 'migrations')

/**
 * Brings the schema up to date, one plain `.sql` file after another, all or nothing. Processes that start together take turns by
 * advisory lock, so each may call this at its own start.
 *
 * A change to a table waits for whoever reads it, and everybody else then waits behind the change: while a backup runs, for an
 * hour, the version before would stand still. So it waits for two seconds only, lets the others through, and asks again.
 */
export async function migrate(url: string, log: Pick<Log, 'info' | 'warn'>): Promise<void> {
  while (!(await hasMigrated(url, log))) await setTimeout(restForOthers)
}

/**
 * The same for a process that a supervisor has started: a database that is not there yet, as after a power cut, or is being
 * failed over, is waited for. Ended and started again ten times a second it would soon be left ended. One that does not let us
 * in is a mistake in DATABASE_URL, and no wait mends it.
 *
 * @throws what `stopping` is aborted for, too
 */
export async function migrateOnceThere(
  url: string,
  log: Pick<Log, 'info' | 'warn'>,
  stopping: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await migrate(url, log)
    } catch (err) {
      if (!isDatabaseAway(err) || isTurnedAway(err)) throw err
      warnSeldom(log, { err }, 'the database is not there yet; trying again')
      await setTimeout(restForArrival, undefined, { signal: stopping })
    }
  }
}

const isTurnedAway = (err: unknown) => /^(?:28...|3D000)$/.test(String((err as { code?: unknown }).code))

/** Milliseconds. */
const restForArrival = 1_000
const patience = 2_000
const restForOthers = 3_000

/** False: a lock was not to be had, and nothing is changed. */
async function hasMigrated(url: string, log: Pick<Log, 'info' | 'warn'>): Promise<boolean> {
  // Ours, because the runner's own would be closed behind its back, and a server that stops then would end the process.
  const client = new HeededClient({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    ...keepAlive,
    lock_timeout: patience,
    // Everybody waits for a table that is being changed, also when whoever changes it has been frozen.
    idle_in_transaction_session_timeout: 10_000,
  })
  await client.connect()
  try {
    if (await isUpToDate(client)) return true
    // Loaded where there is something to do: it takes 9 MB, for as long as the process lives.
    const { runner } = await import('node-pg-migrate')
    const done = await runner({
      dbClient: client,
      dir: folder,
      direction: 'up',
      migrationsTable: 'migrations',
      // Another process migrating at this moment is waited for, not failed on.
      advisoryLockMode: 'wait',
      log: () => {},
    } as Parameters<typeof runner>[0])
    for (const migration of done) log.info({ migration: migration.name }, 'schema brought up to date')
    return true
  } catch (err) {
    if (!isKeptByAnother(err)) throw err
    warnSeldom(log, { err }, 'the schema cannot be brought up to date while others read or change it; trying again')
    return false
  } finally {
    await client.end()
  }
}

async function isUpToDate(client: HeededClient): Promise<boolean> {
  try {
    const { rows } = await client.query<{ name: string }>('select name from migrations')
    const done = new Set(rows.map(({ name }) => name))
    return readdirSync(folder).every((file) => done.has(file.replace(/\.sql$/, '')))
  } catch (error) {
    if ((error as { code?: string }).code === undefinedTable) return false
    throw error
  }
}

const undefinedTable = '42P01'
