import type { Db } from '../postgres/pool.ts'
import { maskAddresses } from '../subscriber/mask-address.ts'
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
  return rows.map(asPace)
}

export type PaceList = { readonly paces: readonly DomainPace[]; readonly all: number }

/** The paces there are, at most so many: those held at this moment first, and of each kind the newest. */
export async function listPaces(db: Db, now: Date, most: number): Promise<PaceList> {
  const { rows } = await db.query<PaceRow & { all: number }>(
    `select domain, rate, held_until, holds, reason, detail, changed_at, count(*) over ()::int as all from paces
      order by coalesce(held_until > $1, false) desc, reason = 'blocked' desc, changed_at desc, domain
      limit $2`,
    [now, most],
  )
  return { paces: rows.map(asPace), all: rows[0]?.all ?? 0 }
}

const asPace = (row: PaceRow): DomainPace => ({
  domain: row.domain,
  rate: row.rate,
  heldUntil: row.held_until?.getTime() ?? 0,
  holds: row.holds,
  reason: row.reason,
  detail: row.detail,
  changedAt: row.changed_at.getTime(),
})

/** The names of the domains that have a pace; they are few. */
export async function listPacedDomains(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ domain: string }>(`select domain from paces`)
  return rows.map(({ domain }) => domain)
}

/**
 * Writes a domain's pace. The provider's words are kept without the addresses they like to repeat. A bucket that fills anew starts empty: what was saved up under another rate is not owed.
 */
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
      maskAddresses(pace.detail).slice(0, 500),
      new Date(pace.changedAt),
    ],
  )
}

/** Lets a domain run free again. */
export async function dropPace(db: Db, domain: string): Promise<boolean> {
  const { rowCount } = await db.query(`delete from paces where domain = $1`, [domain])
  return rowCount === 1
}

/**
 * Drops the paces that nothing has changed for a day. A domain that gets a letter a week would take months to find its way back
 * by behaving, and every claim looks at all paces there are. Locked in the order of the claims; one in use is not waited for.
 */
export async function dropOldPaces(db: Db): Promise<void> {
  await db.query(
    `delete from paces
      where domain in (select domain from paces
                        where changed_at < now() - interval '1 day' and coalesce(held_until < now(), true)
                        order by domain for update skip locked)`,
  )
}
