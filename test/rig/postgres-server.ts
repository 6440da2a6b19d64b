import { pino } from 'pino'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../services/standalone/embedded-postgres.ts'
import { migrate } from '../../shared/postgres/migrate.ts'
import { openRunFolder } from './run-folder.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A migrated, empty database nobody connects to: tests make theirs from it. */
    templateUrl: string
  }
}

/** One throw-away server for a run of tests, with a migrated template. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const log = pino({ level: 'silent' })
  const folder = await openRunFolder(log)
  const server = await startEmbeddedPostgres({ dataDir: '', log, throwAway: true })
  await migrate(server.url, log)
  project.provide('templateUrl', server.url)
  return async () => {
    await server.stop()
    folder.close()
  }
}
