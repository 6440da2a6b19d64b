import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate } from '../../shared/postgres/migrate.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await openTestDatabase()
  await database.pool.query('drop schema public cascade; create schema public')
})
afterAll(() => database.close())

test('processes that start together bring an empty database up to date once, and leave no connection behind', async () => {
  const told: string[] = []
  const log = { info: (about: object) => void told.push((about as { migration: string }).migration), warn: () => {} }
  await Promise.all([1, 2, 3].map(() => migrate(database.url, log)))

  const files = readdirSync(join(import.meta.dirname, '../../shared/postgres/migrations'))
  expect(told.toSorted()).toEqual(files.map((file) => file.replace(/\.sql$/, '')).toSorted())
  const { rows } = await database.pool.query<{ name: string }>('select name from migrations')
  expect(rows.map(({ name }) => `${name}.sql`).toSorted()).toEqual(files.toSorted())
  await until('only this test is connected', async () => {
    const { rows: others } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and application_name = ''`,
    )
    return others.length === 0
  })
})
