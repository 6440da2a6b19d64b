import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** The rules of the house need nothing but the sources: `npm run check` starts no server for them. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { isolate: false, include: ['test/house/**/*.test.ts'], testTimeout: 60_000 },
})
