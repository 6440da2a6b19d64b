import type { Db } from '../postgres/pool.ts'

/** Letters held in doubt until an operator settles them, and the newest mailings they belong to. */
export type HeldDoubts = { readonly letters: number; readonly mailings: number; readonly newest: readonly string[] }

/**
 * Of all mailings, also those that are over. One whose deliveries were forgotten keeps its figures, and has no letter
 * left to settle.
 */
export async function readHeldDoubts(db: Db, most: number): Promise<HeldDoubts> {
  const { rows } = await db.query<{ id: string; letters: number; all_letters: number; mailings: number }>(
    `with held as (
       select c.mailing_id as id, sum(c.in_doubt) as letters
         from chunks c join mailings m on m.id = c.mailing_id
        where c.in_doubt > 0 and m.forgotten_at is null
        group by c.mailing_id
     )
     select id::text, letters::float8, (sum(letters) over ())::float8 as all_letters,
            (count(*) over ())::float8 as mailings
       from held order by held.id desc limit $1`,
    [most],
  )
  return { letters: rows[0]?.all_letters ?? 0, mailings: rows[0]?.mailings ?? 0, newest: rows.map(({ id }) => id) }
}
