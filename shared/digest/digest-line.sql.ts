import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'

/** Whether a mailing m is a release or correction that can be seen, whose hour has come and that has no number. */
const unnumbered = `m.kind in ('release', 'correction') and m.due_at <= now() and not m.paused
        and m.state not in ('cancelled', 'superseded') and m.forgotten_at is null
        and not exists (select from digest_line l where l.mailing_id = m.id)`

/** The newsrooms in which a mailing has no number on the digest line yet. */
export async function unnumberedNewsrooms(db: Db): Promise<NewsroomId[]> {
  const { rows } = await db.query<{ id: NewsroomId }>({
    text: `select distinct m.newsroom_id as id from mailings m where ${unnumbered}`,
  })
  return rows.map(({ id }) => id)
}

/**
 * Gives the next numbers of a newsroom's digest line to all releases and corrections that can be seen, whose hour has come
 * and that have none. The caller holds the line.
 *
 * One whose letters have been forgotten, months after it ended, was numbered or never will be: so what is read does not grow with
 * the years.
 *
 * `again` is what some readers may have had before it got this number: by a digest, or by itself, where it was passed over by one
 * that told of what came later, or where it corrects a text that never had a number, having been paused.
 */
export async function numberMailings(db: Db, newsroom: NewsroomId): Promise<void> {
  await db.query({
    text: `insert into digest_line (newsroom_id, n, mailing_id, again)
     select m.newsroom_id,
            coalesce((select max(l.n) from digest_line l where l.newsroom_id = $1), 0) + row_number() over (order by m.due_at, m.id),
            m.id,
            exists (select from digest_items i where i.release_id = m.release_id)
              or exists (select from digest_cuts c
                          where c.newsroom_id = m.newsroom_id and c.frequency is not null
                            and c.numbered_at > greatest(m.accepted_at, m.due_at))
              or exists (select from mailings e
                          where e.release_id = m.release_id and e.id < m.id and e.started_at is not null
                            and not exists (select from digest_line l where l.mailing_id = e.id))
       from mailings m
      where m.newsroom_id = $1 and ${unnumbered}`,
    values: [newsroom],
  })
}

/**
 * Takes the numbers from mailings an operator has paused: no digest tells of them now, and once they go on they get new
 * ones; their places stay empty. Readers who were told before have it in their ledger.
 */
export async function unnumberPaused(db: Db, newsroom: NewsroomId): Promise<void> {
  await db.query(
    `update digest_line l set mailing_id = null
       from mailings m
      where m.newsroom_id = $1 and m.paused and m.state not in ('done', 'cancelled', 'superseded')
        and l.mailing_id = m.id`,
    [newsroom],
  )
}
