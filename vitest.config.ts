import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/*
 * All floors at once: they share a throw-away PostgreSQL, and files get a database each, made from a migrated template.
 * One project, because a worker that goes from a project to another is started anew, and loads everything anew.
 */
export default defineConfig({
  test: {
    // Most of these wait for other processes a good part of the time.
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    // No file changes what another reads (settings are handed in, the clock too), so modules are loaded once a worker.
    isolate: false,
    include: ['test/{pure,house,room,journey}/**/*.test.ts'],
    globalSetup: ['test/rig/postgres-server.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // What is looked for again and again comes later on a slow machine.
    expect: { poll: { timeout: 20_000 } },
  },
})
