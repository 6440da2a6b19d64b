import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../log/log.ts'
import { HeededClient } from './heeded-client.ts'

const folder = join(import.meta.dirname, 'migrations')

/**
 * Brings the schema up to date, one plain `.sql` file after another. Processes that start together take turns by
 * advisory lock, so each may call this at its own start.
 */
export async function migrate(url: string, log: Pick<Log, 'info'>): Promise<void> {
  // Ours, because the runner's own would be closed behind its back, and a server that stops then would end the process.
  const client = new HeededClient({ connectionString: url, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    if (await isUpToDate(client)) return
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
