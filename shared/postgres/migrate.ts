import { join } from 'node:path'
import { runner } from 'node-pg-migrate'
import type { Log } from '../log/log.ts'

/**
 * Brings the schema up to date, one plain `.sql` file after another. Processes that start together take turns by
 * advisory lock, so each may call this at its own start.
 */
export async function migrate(url: string, log: Pick<Log, 'info'>): Promise<void> {
  const done = await runner({
    databaseUrl: url,
    dir: join(import.meta.dirname, 'migrations'),
    direction: 'up',
    migrationsTable: 'migrations',
    // Another process migrating at this moment is waited for, not failed on.
    advisoryLockMode: 'wait',
    log: () => {},
  } as Parameters<typeof runner>[0])
  for (const migration of done) log.info({ migration: migration.name }, 'schema brought up to date')
}
