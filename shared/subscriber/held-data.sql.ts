import type { Db } from '../postgres/pool.ts'

/** Everything that is held about an address, table by table, in the words of the tables: for its owner to take away. */
export type HeldData = {
  /** The rows that stand or stood for the address; one whose address was deleted is known by its keyed hash. */
  readonly subscribers: readonly { id: string; address: string | null; createdAt: Date; erasedAt: Date | null }[]
  readonly suppression: { reason: string; at: Date } | null
  readonly subscriptions: readonly HeldSubscription[]
  readonly consents: readonly HeldConsent[]
  readonly notices: readonly { kind: string; newsroom: string; state: string; at: Date; reply: string | null }[]
  readonly deliveries: readonly HeldDelivery[]
  readonly attempts: readonly { mailing: string; at: Date; verdict: string; detail: string }[]
  readonly addressChanges: readonly { state: string; askedAt: Date; doneAt: Date | null; direction: 'from' | 'to' }[]
  readonly linkRequests: readonly { kind: string; newsroom: string; askedAt: Date }[]
}
export type HeldSubscription = {
  readonly id: string
  readonly newsroom: string
  readonly newsroomName: string
  readonly state: 'pending' | 'active' | 'ended'
  readonly language: string
  readonly frequency: string
  readonly topics: readonly string[]
  readonly pausedUntil: Date | null
  readonly requestedAt: Date
  readonly activatedAt: Date | null
  readonly endedAt: Date | null
  readonly endedReason: string | null
}
export type HeldConsent = {
  readonly at: Date
  readonly newsroom: string
  readonly newsroomName: string
  readonly act: string
  readonly door: string
  readonly language: string | null
  readonly wording: string | null
  readonly formUrl: string | null
  /** What was wished for, as it was agreed to. */
  readonly wishes: unknown
  readonly detail: unknown
  /** The keyed hash of where the act came from, while it is kept. */
  readonly origin: string | null
  readonly mailing: string | null
}
export type HeldDelivery = {
  readonly mailing: string
  readonly newsroom: string
  readonly kind: string
  readonly release: string | null
  /** The release's title in any of its languages. */
  readonly title: string | null
  readonly state: string
  readonly attempts: number
  readonly at: Date
  readonly reply: string | null
}

export async function collectHeldData(db: Db, addressHash: Buffer): Promise<HeldData> {
  const [subscribers, suppression, subscriptions, consents, notices, deliveries, attempts, changes, requests] =
    await Promise.all([
      db.query<HeldData['subscribers'][number]>(
        `select id, address, created_at as "createdAt", erased_at as "erasedAt" from subscribers
          where address_hash = $1 order by id`,
        [addressHash],
      ),
      db.query<{ reason: string; at: Date }>('select reason, at from suppressions where address_hash = $1', [
        addressHash,
      ]),
      db.query<HeldSubscription>(
        `select s.id, n.slug as newsroom, n.name as "newsroomName", s.state, s.language, s.frequency, s.topics,
                s.paused_until as "pausedUntil", s.requested_at as "requestedAt", s.activated_at as "activatedAt",
                s.ended_at as "endedAt", s.ended_reason as "endedReason"
           from subscribers b join subscriptions s on s.subscriber_id = b.id join newsrooms n on n.id = s.newsroom_id
          where b.address_hash = $1 order by s.id`,
        [addressHash],
      ),
      db.query<HeldConsent>(
        `select c.at, n.slug as newsroom, n.name as "newsroomName", c.act, c.door, c.language, c.wording,
                c.form_url as "formUrl", c.wishes, c.detail, encode(c.origin_hash, 'hex') as origin, c.mailing_id as mailing
           from subscribers b join consent_log c on c.subscriber_id = b.id join newsrooms n on n.id = c.newsroom_id
          where b.address_hash = $1 order by c.id`,
        [addressHash],
      ),
      db.query<HeldData['notices'][number]>(
        `select o.kind, n.slug as newsroom, o.state, o.created_at as at, o.reply
           from notices o
           join subscriptions s on s.id = o.subscription_id
           join newsrooms n on n.id = s.newsroom_id
          where o.id in (select t.id from subscribers b join notices t on t.subscriber_id = b.id where b.address_hash = $1
                         union all
                         select t.id from subscribers b join subscriptions u on u.subscriber_id = b.id
                                                        join notices t on t.subscription_id = u.id
                          where b.address_hash = $1 and t.subscriber_id is null)
          order by o.created_at`,
        [addressHash],
      ),
      db.query<HeldDelivery>(
        // By mailing, because the ledger is kept in their order: each is a look by key.
        `select d.mailing_id as mailing, n.slug as newsroom, m.kind, m.release_id as release,
                (select text.value ->> 'title' from revisions r, jsonb_each(r.content -> 'languages') as text
                  where r.release_id = m.release_id and r.revision = m.revision
                  order by text.key = s.language desc limit 1) as title,
                d.state, d.attempt::int as attempts, d.at, d.reply
           from subscribers b
           join subscriptions s on s.subscriber_id = b.id
           join newsrooms n on n.id = s.newsroom_id
           join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
           join deliveries d on d.mailing_id = m.id and d.subscription_id = s.id
          where b.address_hash = $1 order by d.at desc`,
        [addressHash],
      ),
      db.query<HeldData['attempts'][number]>(
        `select a.mailing_id as mailing, a.at, a.verdict, a.detail
           from subscribers b
           join subscriptions s on s.subscriber_id = b.id
           join mailings m on m.newsroom_id = s.newsroom_id and m.forgotten_at is null
           join attempts a on a.mailing_id = m.id and a.subscription_id = s.id
          where b.address_hash = $1 order by a.at desc`,
        [addressHash],
      ),
      db.query<HeldData['addressChanges'][number]>(
        `select c.state, c.asked_at as "askedAt", c.done_at as "doneAt",
                case when c.from_subscriber = b.id then 'from' else 'to' end as direction
           from subscribers b join address_changes c on c.from_subscriber = b.id or c.to_subscriber = b.id
          where b.address_hash = $1 order by c.id`,
        [addressHash],
      ),
      db.query<HeldData['linkRequests'][number]>(
        `select q.kind, n.slug as newsroom, q.asked_at as "askedAt"
           from link_requests q join newsrooms n on n.id = q.newsroom_id
          where q.address_hash = $1`,
        [addressHash],
      ),
    ])
  return {
    subscribers: subscribers.rows,
    suppression: suppression.rows[0] ?? null,
    subscriptions: subscriptions.rows,
    consents: consents.rows,
    notices: notices.rows,
    deliveries: deliveries.rows,
    attempts: attempts.rows,
    addressChanges: changes.rows,
    linkRequests: requests.rows,
  }
}
