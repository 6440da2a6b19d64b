import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import all from '../../vitest.config.ts'

/** `npm test` plays everything with the queues where `npm start` has them, on PostgreSQL, and with one workers process. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { ...all.test, include: ['test/queues/**/*.test.ts'] },
})
