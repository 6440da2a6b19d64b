import type { PoolClient } from 'pg'
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
    try {
      await client.query('rollback')
    } catch (rollbackError) {
      // The connection is gone, and its transaction with it; the pool must not hand it out again.
      broken = rollbackError as Error
    }
    throw error
  } finally {
    client.release(broken)
  }
}
