import type { PoolClient } from 'pg'
import { isDatabaseAway } from './database-away.ts'
import type { Pool } from './pool.ts'

/** Runs `act` in one transaction: all of it or, when it throws, nothing. */
export async function inTransaction<Result>(pool: Pool, act: (tx: PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    const result = await act(client)
    await client.query('commit')
    return result
  } catch (error) {
    // A rollback would wait behind the statement that is not answered, as long again. With its connection gone PostgreSQL
    // rolls back by itself; and one that leads to a server that may only be read is not handed out again.
    if (isDatabaseAway(error)) broken = error as Error
    else broken = await rollBack(client)
    throw error
  } finally {
    client.release(broken)
  }
}

/** What went wrong, if something did: then the connection is gone, and its transaction with it. */
async function rollBack(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('rollback')
  } catch (error) {
    return error as Error
  }
}
