import type { Db } from '../postgres/pool.ts'

/** What became of letters of the mailings that are under way, or ended within a day. */
export type Lately = {
  /** Letters given up. */
  readonly failed: number
  /** Attempts that ended in doubt, whatever was made of them. */
  readonly doubted: number
  /** Mailings that more than a tenth of their readers will not get, and the newest of them. */
  readonly fallingShort: number
  readonly newest: string | null
  /** Letters whose addresses were refused for good. */
  readonly bounced: number
  /** Mailings of whose readers more than a tenth were, and at least ten, and the newest of them. */
  readonly turnedAway: number
  readonly newestTurnedAway: string | null
}

export async function readLately(db: Db, now: Date): Promise<Lately> {
  const { rows } = await db.query<LatelyRow>(
    `with lately as (
       select c.mailing_id, sum(c.size) as readers, sum(c.failed) as failed, sum(c.doubted) as doubted, sum(c.bounced) as bounced
         from mailings m
        cross join lateral (select * from chunks where mailing_id = m.id offset 0) c
        where m.state not in ('done', 'cancelled', 'superseded') or (m.done_at > $1::timestamptz - interval '1 day' and m.forgotten_at is null)
        group by c.mailing_id
     )
     select coalesce(sum(failed), 0)::float8 as failed, coalesce(sum(doubted), 0)::float8 as doubted,
            (count(*) filter (where failed * 10 > readers))::float8 as falling_short,
            (max(mailing_id) filter (where failed * 10 > readers))::text as newest,
            coalesce(sum(bounced), 0)::float8 as bounced,
            (count(*) filter (where bounced >= 10 and bounced * 10 > readers))::float8 as turned_away,
            (max(mailing_id) filter (where bounced >= 10 and bounced * 10 > readers))::text as newest_turned_away
       from lately`,
    [now],
  )
  const row = rows[0]!
  return {
    failed: row.failed,
    doubted: row.doubted,
    fallingShort: row.falling_short,
    newest: row.newest,
    bounced: row.bounced,
    turnedAway: row.turned_away,
    newestTurnedAway: row.newest_turned_away,
  }
}

type LatelyRow = {
  failed: number
  doubted: number
  falling_short: number
  newest: string | null
  bounced: number
  turned_away: number
  newest_turned_away: string | null
}
