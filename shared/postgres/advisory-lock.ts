import type { PoolClient } from 'pg'

/** One connection inside a transaction: what locks that last until its end are taken on. */
export type Tx = PoolClient

/** What takes turns between processes; each has its own space of numbers. 5 is that of claims (0014_turns-of-claims.sql). */
const spaces = { 'fan-out': 1, chore: 2, 'digest-line': 3, 'digest-texts': 4 } as const

/** Takes the lock until the transaction ends; false: somebody else has it. */
export async function tryTurn(tx: Tx, space: keyof typeof spaces, name: string): Promise<boolean> {
  const { rows } = await tx.query<{ mine: boolean }>(`select pg_try_advisory_xact_lock($1, hashtext($2)) as mine`, [
    spaces[space],
    name,
  ])
  return rows[0]?.mine ?? false
}

/** Should its process stand still for so many seconds between two statements, PostgreSQL ends the transaction, and its locks are free. */
export async function letGoAfter(tx: Tx, seconds: number): Promise<void> {
  await tx.query(`select set_config('idle_in_transaction_session_timeout', $1, true)`, [`${seconds}s`])
}

/** Waits until nobody else gives numbers on a newsroom's digest line, and keeps it so until the transaction ends. */
export async function holdDigestLine(tx: Tx, newsroom: string): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock($1, hashtext($2))`, [spaces['digest-line'], newsroom])
}

/**
 * Keeps a newsroom's texts from being revised while digests are made of them, or digests from being made while one is
 * revised: else a digest could be committed with an old text after its correction was answered.
 */
export async function holdDigestTexts(db: Pick<Tx, 'query'>, newsroom: string, to: 'read' | 'revise'): Promise<void> {
  await db.query(
    to === 'read'
      ? `select pg_advisory_xact_lock_shared($1, hashtext($2))`
      : `select pg_advisory_xact_lock($1, hashtext($2))`,
    [spaces['digest-texts'], newsroom],
  )
}
