import type { Pool } from '../../shared/postgres/pool.ts'

/**
 * Confirmed readers by the hundred thousand, `r1@d0.example` and so on over `domains` receiving domains, written by the
 * database itself. Their address hashes are not the real ones, so nothing else may be tried on these rows.
 */
export async function loadCrowd(pool: Pool, newsroomId: string, readers: number, domains = 50): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('set statement_timeout = 0')
    await client.query(
      `with made as (
         insert into subscribers (address, address_key, address_hash, created_at)
         select a, a, sha256(a::bytea), now()
           from (select 'r' || n || '@d' || n % $2::int || '.example' as a from generate_series(1, $1::int) n) as addresses
         returning id
       )
       insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at)
       select $3, id, 'active', 'nb', now(), now() from made`,
      [readers, domains, newsroomId],
    )
    await client.query('vacuum analyze subscribers')
    await client.query('vacuum analyze subscriptions')
  } finally {
    client.release()
  }
}
