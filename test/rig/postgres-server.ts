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

/** The server of this run and how many projects use it: each project loads this file anew, so it is kept outside. */
type Server = { readonly url: string; stop(): Promise<void> }
type Shared = { server: Promise<Server>; users: number }
const place = globalThis as { pressebudTestServer?: Shared | undefined }

/** One throw-away server for a run of tests, with a migrated template. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  place.pressebudTestServer ??= { server: start(), users: 0 }
  const shared = place.pressebudTestServer
  shared.users += 1
  const server = await shared.server
  project.provide('templateUrl', server.url)
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    place.pressebudTestServer = undefined
    await server.stop()
  }
}

async function start(): Promise<Server> {
  const log = pino({ level: 'silent' })
  const folder = await openRunFolder(log)
  const server = await startEmbeddedPostgres({ dataDir: '', log, throwAway: true })
  await migrate(server.url, log)
  return {
    url: server.url,
    stop: async () => {
      await server.stop()
      folder.close()
    },
  }
}
