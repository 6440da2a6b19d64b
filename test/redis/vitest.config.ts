import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import all from '../../vitest.config.ts'

/** What `npm test` plays with the queues on PostgreSQL, as `npm start` has them, is played once more on Redis. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { ...all.test, include: ['test/redis/**/*.test.ts'] },
})
