import type { Db } from '../postgres/pool.ts'

export type ChunkLine = {
  readonly n: number
  readonly state: 'cut' | 'open' | 'done'
  readonly size: number
  readonly settled: number
  readonly deferred: number
  readonly inDoubt: number
  readonly nextAt: Date
  readonly leaseUntil: Date | null
}

/** The chunks of a mailing: those not done first, the one that has waited longest at the top. */
export async function listChunks(db: Db, mailingId: string, limit: number): Promise<ChunkLine[]> {
  const { rows } = await db.query<ChunkLine>(
    `select n, state, size, sent + bounced + failed + opted_out + suppressed + withdrawn + in_doubt as settled, deferred,
            in_doubt as "inDoubt", next_at as "nextAt", lease_until as "leaseUntil"
       from chunks
      where mailing_id = $1
      order by state = 'done', case when state <> 'done' then next_at end, n
      limit $2`,
    [mailingId, limit],
  )
  return rows
}

export type AttemptLine = {
  readonly at: Date
  readonly attempt: number
  readonly verdict: string
  readonly phase: string | null
  readonly code: number | null
  readonly enhanced: string | null
  readonly detail: string
  /** `null` once the reader has been erased. */
  readonly address: string | null
}

/** The last attempts of a mailing that did not simply succeed. */
export async function listAttempts(db: Db, mailingId: string, limit: number): Promise<AttemptLine[]> {
  const { rows } = await db.query<AttemptLine>(
    `select a.at, a.attempt, a.verdict, a.phase, a.code, a.enhanced, a.detail, r.address
       from (select * from attempts where mailing_id = $1 order by at desc limit $2) as a
       left join subscriptions s on s.id = a.subscription_id
       left join subscribers r on r.id = s.subscriber_id
      order by a.at desc`,
    [mailingId, limit],
  )
  return rows
}

export type DoubtLine = {
  readonly at: Date
  readonly attempt: number
  readonly detail: string | null
  readonly address: string | null
}

/**
 * Letters of a mailing that are in doubt now. Only key ranges whose chunk counts some are read, so that a ledger of a
 * million letters is not searched for three.
 */
export async function listDoubts(db: Db, mailingId: string, limit: number): Promise<DoubtLine[]> {
  const { rows } = await db.query<DoubtLine>(
    `select d.at, d.attempt, coalesce(a.detail, d.reply) as detail, r.address
       from chunks c
       join lateral (
         select subscription_id, at, attempt, reply
           from deliveries
          where mailing_id = c.mailing_id and subscription_id > c.after_id and subscription_id <= c.upto_id
            and state = 'in_doubt'
          limit $2) as d on true
       left join attempts a
              on a.mailing_id = c.mailing_id and a.subscription_id = d.subscription_id and a.attempt = d.attempt
       left join subscriptions s on s.id = d.subscription_id
       left join subscribers r on r.id = s.subscriber_id
      where c.mailing_id = $1 and c.in_doubt > 0
      order by c.n
      limit $2`,
    [mailingId, limit],
  )
  return rows
}

export type RenderingLine = { readonly language: string; readonly subject: string; readonly bytes: number }

/** The letters prepared for a mailing, one a language. */
export async function listRenderings(db: Db, mailingId: string): Promise<RenderingLine[]> {
  const { rows } = await db.query<RenderingLine>(
    `select language, subject, octet_length(body) as bytes
       from renderings
      where mailing_id = $1
      order by language`,
    [mailingId],
  )
  return rows
}
