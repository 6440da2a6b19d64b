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

/** The paces there are of these domains, by domain. */
export async function readPaces(db: Db, domains: readonly string[]): Promise<ReadonlyMap<string, Pace>> {
  const { rows } = await db.query<PaceRow>(
    `select domain, rate, held_until, holds, reason, detail, changed_at from paces where domain = any($1)`,
    [domains],
  )
  return new Map(rows.map((row) => [row.domain, asPace(row)]))
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

/** What becomes of a domain's pace; null before: it had none, null after: it runs free. */
export type PaceChange = { readonly domain: string; readonly before: Pace | null; readonly after: Pace | null }

/**
 * Changes paces that still are as they were read, and returns their domains. One statement, and no lock from reading to writing:
 * every claim waits for these rows, and those of a process that was frozen in between kept all workers from their letters until
 * PostgreSQL ended its transaction.
 *
 * The provider's words are kept without the addresses they like to repeat. A bucket that fills anew starts empty: what was saved up
 * under another rate is not owed.
 */
export async function changePaces(db: Db, changes: readonly PaceChange[]): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ domain: string }>(
    `with asked as (
       select * from jsonb_to_recordset($1::jsonb)
           as a (domain text, was_rate float8, was_holds int, was_at timestamptz,
                 rate float8, held_until timestamptz, holds int, reason text, detail text, changed_at timestamptz)
     ), found as (
       select p.domain
         from paces p join asked a on a.domain = p.domain
        where p.rate = a.was_rate and p.holds = a.was_holds and p.changed_at = a.was_at
        order by p.domain for update of p
     ), dropped as (
       delete from paces p using found f, asked a
        where p.domain = f.domain and a.domain = f.domain and a.rate is null
       returning p.domain
     ), changed as (
       update paces p
          set rate = a.rate, held_until = a.held_until, holds = a.holds, reason = a.reason, detail = a.detail,
              changed_at = a.changed_at
         from found f join asked a on a.domain = f.domain
        where p.domain = f.domain and a.rate is not null
       returning p.domain
     ), added as (
       insert into paces (domain, rate, tokens, filled_at, held_until, holds, reason, detail, changed_at)
       select domain, rate, 0, now(), held_until, holds, reason, detail, changed_at
         from asked where was_rate is null and rate is not null order by domain
       on conflict do nothing
       returning domain
     )
     select domain from dropped union all select domain from changed union all select domain from added`,
    [JSON.stringify(changes.map(asAsked))],
  )
  return new Set(rows.map(({ domain }) => domain))
}

const asAsked = ({ domain, before, after }: PaceChange) => ({
  domain,
  ...(before && { was_rate: before.rate, was_holds: before.holds, was_at: new Date(before.changedAt) }),
  ...(after && {
    rate: after.rate,
    held_until: after.heldUntil === 0 ? null : new Date(after.heldUntil),
    holds: after.holds,
    reason: after.reason,
    // PostgreSQL keeps no zero byte.
    detail: maskAddresses(after.detail).replaceAll('\0', '').slice(0, 500).toWellFormed(),
    changed_at: new Date(after.changedAt),
  }),
})

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
