import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { Db } from '../postgres/pool.ts'

export type ReceivedWebhook = { readonly bodyHash: Buffer; readonly status: number; readonly answer: unknown }

/**
 * Makes deliveries of one webhook id take turns until the transaction ends, so that of a hundred in parallel one acts
 * and the rest find its answer.
 */
export async function lockWebhookId(db: Db, newsroom: NewsroomId, webhookId: string): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))`, [newsroom, webhookId])
}

export async function findReceivedWebhook(
  db: Db,
  newsroom: NewsroomId,
  webhookId: string,
): Promise<ReceivedWebhook | null> {
  const { rows } = await db.query<{ body_hash: Buffer; status: number; answer: unknown }>(
    `select body_hash, status, answer from received_webhooks where newsroom_id = $1 and webhook_id = $2`,
    [newsroom, webhookId],
  )
  const row = rows[0]
  return row ? { bodyHash: row.body_hash, status: row.status, answer: row.answer } : null
}

export async function insertReceivedWebhook(
  db: Db,
  newsroom: NewsroomId,
  webhookId: string,
  received: ReceivedWebhook,
  at: Date,
): Promise<void> {
  await db.query(
    `insert into received_webhooks (newsroom_id, webhook_id, body_hash, status, answer, received_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [newsroom, webhookId, received.bodyHash, received.status, JSON.stringify(received.answer), at],
  )
}
