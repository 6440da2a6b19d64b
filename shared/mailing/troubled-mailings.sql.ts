import type { Db } from '../postgres/pool.ts'

/** Mailings whose letters cannot be prepared: those given up, those that are tried again, and the newest of both. */
export type TroubledMailings = {
  readonly failed: number
  readonly tried: number
  /** Since when the one that has waited longest is tried in vain. */
  readonly triedSince: Date | null
  readonly newest: readonly string[]
}

export async function readTroubledMailings(db: Db, most: number): Promise<TroubledMailings> {
  const { rows } = await db.query<{ id: string; failed: number; tried: number; tried_since: Date | null }>(
    `select id::text, (count(*) filter (where state = 'failed') over ())::float8 as failed,
            (count(*) filter (where state <> 'failed') over ())::float8 as tried,
            min(trouble_since) filter (where state <> 'failed') over () as tried_since
       from mailings
      where state not in ('done', 'cancelled', 'superseded')
        and (state = 'failed' or state = 'accepted' and trouble is not null and not paused)
      order by state = 'failed' desc, mailings.id desc limit $1`,
    [most],
  )
  const first = rows[0]
  return {
    failed: first?.failed ?? 0,
    tried: first?.tried ?? 0,
    triedSince: first?.tried_since ?? null,
    newest: rows.map(({ id }) => id),
  }
}
