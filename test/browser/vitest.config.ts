import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import all from '../../vitest.config.ts'

/** Everything that is seen in Chromium: a third of what all tests cost, so `npm test` leaves it to a command of its own. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { ...all.test, include: ['test/browser/**/*.test.ts'] },
})
