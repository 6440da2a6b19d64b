import type { PoolClient } from 'pg'

/** What takes turns between processes; each has its own space of numbers. */
const spaces = { 'fan-out': 1, chore: 2 } as const

/** Takes the lock until the transaction ends; false: somebody else has it. */
export async function tryTurn(tx: PoolClient, space: keyof typeof spaces, name: string): Promise<boolean> {
  const { rows } = await tx.query<{ mine: boolean }>(`select pg_try_advisory_xact_lock($1, hashtext($2)) as mine`, [
    spaces[space],
    name,
  ])
  return rows[0]?.mine ?? false
}
