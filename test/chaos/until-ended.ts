import type { House } from './house.ts'

/** Milliseconds without an acceptance or an end after which what is left is not coming; nothing is meant to take so long. */
const patience = 60_000

/** Waits until every mailing has ended, or nothing has happened for too long. Tells whether they have. */
export async function untilEnded(house: House, letters: () => number): Promise<boolean> {
  let [before, since] = ['', performance.now()]
  while (performance.now() - since < patience) {
    const { rows } = await house.pool
      .query<{ open: number }>(
        `select (select count(*) from mailings m
                  where state not in ('done', 'superseded', 'cancelled')
                     or exists (select from chunks c where c.mailing_id = m.id and c.state <> 'done'))::int
              + (select count(*) from digest_cuts where done_at is null)::int as open`,
      )
      .catch(() => ({ rows: [] }))
    if (rows[0]?.open === 0) return true
    const state = `${rows[0]?.open} ${letters()}`
    if (state !== before) [before, since] = [state, performance.now()]
    await pause(100)
  }
  return false
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
