import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/*
 * One project a floor. `pure` and `house` need nothing; the others share a throw-away PostgreSQL and get a database per
 * test file, made from a migrated template.
 */
const withDatabase = { globalSetup: ['test/rig/postgres-server.ts'], testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    // Most of these wait for other processes most of the time; by itself vitest would leave a core to nobody. One more
    // than there are cores was slower.
    maxWorkers: Math.max(2, availableParallelism()),
    // No file changes what another reads (settings are handed in, the clock too), so modules are loaded once a worker:
    // loading MJML and its kind anew for each file took a sixth of the whole run.
    isolate: false,
    projects: [
      { test: { name: 'pure', include: ['test/pure/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'house', include: ['test/house/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'room', include: ['test/room/**/*.test.ts'], ...withDatabase } },
      { test: { name: 'journey', include: ['test/journey/**/*.test.ts'], ...withDatabase, testTimeout: 120_000 } },
      { test: { name: 'browser', include: ['test/browser/**/*.test.ts'], ...withDatabase, testTimeout: 120_000 } },
    ],
  },
})
