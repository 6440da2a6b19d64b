import { readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate, migrateOnceThere } from '../../shared/postgres/migrate.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { freePort } from '../rig/programs.ts'
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

test('a process that is started before PostgreSQL waits for it, ends where it is not let in, and when it is told to', async () => {
  const port = await freePort()
  const address = new URL(database.url)
  const url = Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: String(port) }).href
  const told: string[] = []
  const log = { info: () => {}, warn: (_about: object, sentence?: string) => void told.push(sentence!) }
  const stopping = new AbortController()

  const started = migrateOnceThere(url, log, stopping.signal)
  await until('it has knocked', () => told.length > 0)
  expect(told).toEqual(['the database is not there yet; trying again'])
  const server = createServer((socket) => {
    const there = connect(Number(address.port), address.hostname)
    pipeline(socket, there, socket, () => {})
  }).listen(port, '127.0.0.1')
  await started

  const unknown = Object.assign(new URL(url), { pathname: '/nobodys' }).href
  await expect(migrateOnceThere(unknown, log, stopping.signal)).rejects.toThrow('does not exist')
  server.close()
  const waiting = migrateOnceThere(url.replace(`:${port}`, ':1'), log, stopping.signal)
  stopping.abort()
  await expect(waiting).rejects.toThrow('aborted')
})
