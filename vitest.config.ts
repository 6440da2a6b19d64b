import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/*
 * Two projects: the rules of the house need nothing but the sources, so that `npm run check` starts no server; all other
 * floors share a throw-away PostgreSQL and get a database per test file, made from a migrated template. They are one
 * project because a worker that goes from a project to another is started anew, and loads everything anew.
 */
// No file changes what another reads (settings are handed in, the clock too), so modules are loaded once a worker.
const isolate = false

export default defineConfig({
  test: {
    // Most of these wait for other processes a good part of the time.
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    projects: [
      {
        test: {
          name: 'house',
          isolate,
          include: ['test/house/**/*.test.ts'],
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'running',
          isolate,
          include: ['test/{pure,room,journey,browser}/**/*.test.ts'],
          globalSetup: ['test/rig/postgres-server.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
    ],
  },
})
