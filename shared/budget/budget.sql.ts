import type { Db } from '../postgres/pool.ts'
import { budgetKey, type Charge, costOf, type Shortage } from './budget.ts'

export type Spent =
  /** `startsAt`: when each charge's turn would come, were they done one at a time at the pace the budget comes back. */
  | { readonly granted: true; readonly startsAt: readonly Date[] }
  | { readonly granted: false; readonly short: readonly Shortage[] }

/**
 * Spends from several budgets at once, all or nothing, so that what one refuses costs the others nothing. It holds over
 * every process and restart, because the rows are all there is; two that spend at the same instant take turns at the
 * rows, and none ever gets more than its budget holds.
 *
 * A row that claims to be whole only after two spans was written by a clock that has been set right since, and is as
 * good as none: otherwise a clock a year ahead for a minute would shut a door for a year.
 */
export async function spend(db: Db, hashKey: Buffer, charges: readonly Charge[], now: Date): Promise<Spent> {
  const keys = charges.map((charge) => budgetKey(hashKey, charge))
  const { rows } = await db.query<SpendRow>({
    name: 'spend',
    text: `with asked as (
       select * from unnest($1::bytea[], $2::text[], $3::float8[], $4::float8[]) as a (key, name, cost, span)
     ), held as (
       select key, whole_at from budgets where key = any($1) order by key for no key update
     ), standing as (
       select a.*, greatest(h.whole_at, $5::timestamptz) as from_at
         from asked a left join held h on h.key = a.key and h.whole_at <= $5::timestamptz + a.span * interval '2 seconds'
     ), judged as (
       select s.*, from_at + cost * interval '1 second' <= $5 + span * interval '1 second' as room from standing s
     ), taken as (
       insert into budgets as b (key, name, span, whole_at)
       select key, name, span, $5 + cost * interval '1 second'
         from judged
        where (select bool_and(room) from judged)
        order by key
       on conflict (key) do update set span = excluded.span, whole_at = (excluded.whole_at - $5)
           + greatest(case when b.whole_at <= $5 + excluded.span * interval '2 seconds' then b.whole_at end, $5)
         where greatest(case when b.whole_at <= $5 + excluded.span * interval '2 seconds' then b.whole_at end, $5)
           + (excluded.whole_at - $5) <= $5 + excluded.span * interval '1 second'
       returning key, whole_at
     )
     select j.key, t.key is not null as taken, coalesce(t.whole_at - j.cost * interval '1 second', j.from_at) as starts_at,
            extract(epoch from j.from_at - $5)::float8 + j.cost - j.span as wait
       from judged j left join taken t on t.key = j.key`,
    values: [
      keys,
      charges.map(({ budget }) => budget.name),
      charges.map(({ budget }) => costOf(budget)),
      charges.map(({ budget }) => budget.span),
      now,
    ],
  })
  const byKey = new Map(rows.map((row) => [row.key.toString('hex'), row]))
  const found = charges.map((charge, index) => ({ charge, ...byKey.get(keys[index]!.toString('hex'))! }))
  if (found.every(({ taken }) => taken)) return { granted: true, startsAt: found.map((one) => one.starts_at) }
  const empty = found.filter(({ wait }) => wait > 0)
  // Nobody is short when another took the last of it at this instant; it is all there is to say that one will be back.
  const short = empty.length > 0 ? empty : found.filter(({ taken }) => !taken)
  return { granted: false, short: short.map(({ charge, wait }) => ({ charge, wait: Math.max(1, Math.ceil(wait)) })) }
}

type SpendRow = { key: Buffer; taken: boolean; starts_at: Date; wait: number }

/** Those of the charges that could not be spent now; nothing is spent. */
export async function shortOf(
  db: Db,
  hashKey: Buffer,
  charges: readonly Charge[],
  now: Date,
): Promise<readonly Charge[]> {
  const keys = charges.map((charge) => budgetKey(hashKey, charge))
  const { rows } = await db.query<{ key: Buffer }>(
    `select a.key
       from unnest($1::bytea[], $2::float8[], $3::float8[]) as a (key, cost, span)
       join budgets b on b.key = a.key
      where b.whole_at <= $4::timestamptz + a.span * interval '2 seconds'
        and greatest(b.whole_at, $4) + a.cost * interval '1 second' > $4 + a.span * interval '1 second'`,
    [keys, charges.map(({ budget }) => costOf(budget)), charges.map(({ budget }) => budget.span), now],
  )
  const empty = new Set(rows.map(({ key }) => key.toString('hex')))
  return charges.filter((_charge, index) => empty.has(keys[index]!.toString('hex')))
}

/** Makes a budget whole: what was spent has turned out to be wanted. */
export async function giveBack(db: Db, hashKey: Buffer, charge: Charge): Promise<void> {
  await db.query('delete from budgets where key = $1', [budgetKey(hashKey, charge)])
}

/** Clears away budgets that have long been whole; a minute is left for clocks that disagree. */
export async function forgetWholeBudgets(db: Db, now: Date): Promise<number> {
  const { rowCount } = await db.query(`delete from budgets where whole_at < $1::timestamptz - interval '1 minute'`, [
    now,
  ])
  return rowCount ?? 0
}

/** For each of these names, how much of the fullest budget is spent, from 0 to 1. */
export async function spentShares(db: Db, names: readonly string[], now: Date): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ name: string; share: number }>(
    `select a.name, coalesce(max(least(1, greatest(0, extract(epoch from b.whole_at - $2) / b.span))), 0)::float8 as share
       from unnest($1::text[]) as a (name) left join budgets b on b.name = a.name
      group by a.name`,
    [names, now],
  )
  return new Map(rows.map(({ name, share }) => [name, share]))
}
