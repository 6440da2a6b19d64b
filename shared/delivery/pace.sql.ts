import type { Db } from '../postgres/pool.ts'
import type { Pace } from './pace.ts'

export type DomainPace = Pace & { readonly domain: string }

type PaceRow = {
  domain: string
  rate: number
  held_until: Date | null
  holds: number
  reason: 'slow' | 'blocked'
  detail: string
  changed_at: Date
}

/** The paces there are of these domains, held until the transaction ends; without names, all there are. */
export async function lockPaces(db: Db, domains: readonly string[]): Promise<DomainPace[]> {
  const { rows } = await db.query<PaceRow>(
    `select domain, rate, held_until, holds, reason, detail, changed_at from paces
      where domain = any($1) order by domain for update`,
    [domains],
  )
  return rows.map((row) => ({
    domain: row.domain,
    rate: row.rate,
    heldUntil: row.held_until?.getTime() ?? 0,
    holds: row.holds,
    reason: row.reason,
    detail: row.detail,
    changedAt: row.changed_at.getTime(),
  }))
}

/** The names of the domains that have a pace; they are few. */
export async function listPacedDomains(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ domain: string }>(`select domain from paces`)
  return rows.map(({ domain }) => domain)
}

/** Writes a domain's pace. A bucket that fills anew starts empty: what was saved up under another rate is not owed. */
export async function writePace(db: Db, domain: string, pace: Pace): Promise<void> {
  await db.query(
    `insert into paces (domain, rate, tokens, filled_at, held_until, holds, reason, detail, changed_at)
     values ($1, $2, 0, now(), $3, $4, $5, $6, $7)
     on conflict (domain) do update
        set rate = $2, held_until = $3, holds = $4, reason = $5, detail = $6, changed_at = $7`,
    [
      domain,
      pace.rate,
      pace.heldUntil === 0 ? null : new Date(pace.heldUntil),
      pace.holds,
      pace.reason,
      pace.detail.slice(0, 500),
      new Date(pace.changedAt),
    ],
  )
}

/** Lets a domain run free again. */
export async function dropPace(db: Db, domain: string): Promise<boolean> {
  const { rowCount } = await db.query(`delete from paces where domain = $1`, [domain])
  return rowCount === 1
}
