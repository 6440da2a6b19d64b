import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

// An error nobody listens to would end the process; vitest fails a run in which one is thrown.
test('a connection cut between two statements of a transaction fails the second, and the pool goes on', async () => {
  const pool = openPool({ url: database.url, name: 'cut', most: 1, onError: () => {} })
  const cut = inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    await database.pool.query('select pg_terminate_backend($1)', [rows[0]!.pid])
    await expect
      .poll(
        async () => (await database.pool.query('select from pg_stat_activity where pid = $1', [rows[0]!.pid])).rowCount,
      )
      .toBe(0)
    // The news of the end is read in a turn of the event loop of its own.
    await new Promise((resolve) => setImmediate(resolve))
    await tx.query('select 1')
  })
  await expect(cut).rejects.toThrow(/terminat|not queryable/i)
  expect((await pool.query('select 2 as two')).rows).toEqual([{ two: 2 }])
  await pool.end()
})
