import type { Db } from '../postgres/pool.ts'
import type { MailingId } from './mailing.ts'

/** The mailing that ended longest ago, and more than `days`, whose ledger is still kept. */
export async function oldestToForget(db: Db, days: number): Promise<MailingId | null> {
  const { rows } = await db.query<{ id: MailingId }>(
    `select id from mailings
      where done_at < now() - $1 * interval '1 day' and forgotten_at is null
      order by done_at limit 1`,
    [days],
  )
  return rows[0]?.id ?? null
}

export async function markForgotten(db: Db, id: MailingId): Promise<void> {
  await db.query('update mailings set forgotten_at = now() where id = $1', [id])
}
