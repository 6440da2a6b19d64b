import type { Db } from '../postgres/pool.ts'

/** One that is done every few seconds is written down twice a minute. */
const writtenEvery = 30

/** Notes that a chore has come to its end; `every` is in seconds. */
export async function noteDone(db: Db, chore: { readonly name: string; readonly every: number }): Promise<void> {
  await db.query(
    `insert into chores (name, every, done_at) values ($1, $2, now())
     on conflict (name) do update set every = excluded.every, done_at = excluded.done_at
      where chores.done_at < now() - $3 * interval '1 second' or chores.every <> excluded.every`,
    [chore.name, chore.every, writtenEvery],
  )
}

/** Notes that one has failed: from the first time on it counts as not done. */
export async function noteFailed(db: Db, chore: { readonly name: string; readonly every: number }): Promise<void> {
  await db.query(`insert into chores (name, every, done_at) values ($1, $2, now()) on conflict do nothing`, [
    chore.name,
    chore.every,
  ])
}

export type ChoreStanding = { readonly name: string; readonly every: number; readonly doneAt: Date }

export async function listChores(db: Db): Promise<ChoreStanding[]> {
  const { rows } = await db.query<ChoreStanding>(`select name, every, done_at as "doneAt" from chores order by name`)
  return rows
}
