import { randomUUID } from 'node:crypto'
import type { Pool } from '../../shared/postgres/pool.ts'

/** Rows for the desk to show, written as SQL: the desk reads what others leave behind. */

export async function givenNewsroom(pool: Pool, slug: string, name: string): Promise<string> {
  const id = randomUUID()
  await pool.query(
    `insert into newsrooms (id, slug, name, languages, default_language, zone, sender_address, sender_name, legal_name,
                            postal_address, accent, created_at)
     values ($1, $2, $3, '{nb,en}', 'nb', 'Europe/Oslo', 'press@example.com', $3, $3, 'Storgata 1, Oslo', '#1f6f43', now())`,
    [id, slug, name],
  )
  return id
}

export type MailingDraft = {
  readonly newsroomId: string
  readonly title?: string
  readonly kind?: 'release' | 'correction' | 'withdrawal' | 'digest'
  readonly state: string
  readonly paused?: boolean
  readonly at: Date
  readonly doneAt?: Date
}

export async function givenMailing(pool: Pool, draft: MailingDraft): Promise<string> {
  const { newsroomId, kind = 'release', at } = draft
  let releaseId: string | null = null
  if (kind !== 'digest') {
    releaseId = randomUUID()
    const content = {
      languages: { nb: { title: draft.title ?? 'Uten navn', lead: '', bodyHtml: '' } },
      contacts: [],
      images: [],
      documents: [],
      links: [],
    }
    await pool.query(
      `insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
       values ($1, $2, $3, 1, $4, $5, 'Europe/Oslo', $5)`,
      [releaseId, newsroomId, `release-${releaseId}`, kind, at],
    )
    await pool.query(
      `insert into revisions (release_id, revision, kind, content, received_at) values ($1, 1, $2, $3, $4)`,
      [releaseId, kind, JSON.stringify(content), at],
    )
  }
  const started = ['embargoed', 'accepted'].includes(draft.state) ? null : at
  const { rows } = await pool.query<{ id: string }>(
    `insert into mailings (newsroom_id, kind, release_id, revision, state, paused, accepted_at, due_at, started_at, done_at)
     values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) returning id`,
    [
      newsroomId,
      kind,
      releaseId,
      releaseId && 1,
      draft.state,
      draft.paused ?? false,
      at,
      started,
      draft.doneAt ?? null,
    ],
  )
  return rows[0]!.id
}

export type ChunkDraft = {
  readonly mailingId: string
  readonly n: number
  readonly from?: bigint
  readonly size: number
  readonly state: 'cut' | 'open' | 'done'
  readonly nextAt: Date
  readonly leaseUntil?: Date
  readonly sent?: number
  readonly deferred?: number
  readonly bounced?: number
  readonly failed?: number
  readonly optedOut?: number
  readonly suppressed?: number
  readonly inDoubt?: number
}

export async function givenChunk(pool: Pool, draft: ChunkDraft): Promise<void> {
  const from = draft.from ?? BigInt(draft.n) * 100_000n
  await pool.query(
    `insert into chunks (mailing_id, n, after_id, upto_id, size, rank, state, next_at, lease_until, sent, deferred, bounced,
                         failed, opted_out, suppressed, in_doubt, doubted)
     values ($1, $2, $3, $4, $5, $2, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)`,
    [
      draft.mailingId,
      draft.n,
      from,
      from + 100_000n,
      draft.size,
      draft.state,
      draft.nextAt,
      draft.leaseUntil ?? null,
      draft.sent ?? 0,
      draft.deferred ?? 0,
      draft.bounced ?? 0,
      draft.failed ?? 0,
      draft.optedOut ?? 0,
      draft.suppressed ?? 0,
      draft.inDoubt ?? 0,
    ],
  )
}

/** A reader and their subscription, whose number is given back. */
export async function givenReader(pool: Pool, newsroomId: string, address: string): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `with reader as (
       insert into subscribers (address, address_key, address_hash, created_at)
       values ($1, $1, sha256(convert_to($1, 'UTF8')), now()) returning id
     )
     insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at)
     select $2, id, 'active', 'nb', now(), now() from reader returning id`,
    [address, newsroomId],
  )
  return rows[0]!.id
}

export async function givenAttempt(
  pool: Pool,
  draft: {
    mailingId: string
    subscriptionId: string
    verdict: string
    at: Date
    detail: string
    phase?: string
    code?: number
    enhanced?: string
  },
): Promise<void> {
  await pool.query(
    `insert into attempts (mailing_id, subscription_id, attempt, at, verdict, phase, code, enhanced, detail)
     values ($1, $2, 1, $3, $4, $5, $6, $7, $8)`,
    [
      draft.mailingId,
      draft.subscriptionId,
      draft.at,
      draft.verdict,
      draft.phase ?? null,
      draft.code ?? null,
      draft.enhanced ?? null,
      draft.detail,
    ],
  )
}

export async function givenDelivery(
  pool: Pool,
  draft: { mailingId: string; subscriptionId: string; state: string; at: Date },
): Promise<void> {
  await pool.query(
    `insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at) values ($1, $2, $3, 1, 1, $4)`,
    [draft.mailingId, draft.subscriptionId, draft.state, draft.at],
  )
}
