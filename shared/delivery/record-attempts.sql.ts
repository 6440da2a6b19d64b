import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { chunkLease, type HeldChunk, type Recorded } from './delivery.ts'

/**
 * Records a batch of attempts, adds them to the chunk's totals and renews its lease, all or nothing. Which letters it may still
 * record, their own fence says; what it has recorded counts, also where the chunk is leased to somebody else by now who has not
 * taken those letters over yet. The lease is renewed to its holder only.
 *
 * A statement that was given up, because its connection fell silent, may still arrive minutes later, when the same turn has claimed
 * such a letter anew: it matches only what was claimed when its own letters were.
 *
 * Nearly all of a batch was sent, so beside the replies only what differs from that is told, as one JSON object. Both
 * are looked up row by row: replies by the place of a row's id among the ids in order, the rest by key. A join would be
 * plainer, but nobody can promise the planner how many rows of a table that was empty a minute ago are meant, and the
 * plan it keeps then compares each row with each: 28 ms a batch of 250 instead of 1. Where all were sent, no row is looked
 * for in the object at all, which is a tenth of the statement.
 *
 * @param claimedAt null: whenever they were claimed, which is for whoever has just taken the chunk over to say
 */
export async function recordAttempts(
  db: Db,
  chunk: HeldChunk,
  batch: readonly Recorded[],
  claimedAt: string | null,
): Promise<void> {
  const inOrder = batch.toSorted(byId)
  await db.query({
    name: 'record-attempts',
    text: `with moved as (
       update deliveries d
          set state = case when $6::jsonb is null then 'sent'
                           else coalesce($6::jsonb -> d.subscription_id::text ->> 'state', 'sent') end,
              reply = ($5::text[])[width_bucket(d.subscription_id, $4::bigint[])], at = now(),
              attempt = d.attempt - case when $6::jsonb is null then 0
                                         when $6::jsonb -> d.subscription_id::text ? 'unbegun' then 1 else 0 end,
              until = case when $6::jsonb is not null
                           then now() + ($6::jsonb -> d.subscription_id::text ->> 'wait')::float8 * interval '1 second' end
        where d.mailing_id = $1 and d.subscription_id = any($4::bigint[]) and d.state = 'claimed' and d.fence = $3
          and ($8::timestamptz is null or d.at = $8)
       returning d.subscription_id, d.attempt, d.state,
                 case when $6::jsonb is not null then $6::jsonb -> d.subscription_id::text -> 'trouble' end as trouble
     ), told as (
       insert into attempts (mailing_id, subscription_id, attempt, at, verdict, phase, code, enhanced, detail)
       select $1, subscription_id, attempt, now(), trouble ->> 'verdict', trouble ->> 'phase',
              (trouble ->> 'code')::smallint, trouble ->> 'enhanced', trouble ->> 'detail'
         from moved where trouble is not null
       on conflict do nothing
     ), tally as (
       select count(*) filter (where state = 'sent')::int as sent,
              count(*) filter (where state = 'deferred')::int as deferred,
              count(*) filter (where state = 'bounced')::int as bounced,
              count(*) filter (where state = 'failed')::int as failed,
              count(*) filter (where state = 'in_doubt')::int as in_doubt,
              count(*) filter (where trouble ->> 'verdict' = 'in_doubt')::int as doubted,
              count(*) filter (where state <> 'due')::int as ended
         from moved
     )
     update chunks c
        set sent = c.sent + tally.sent, deferred = c.deferred + tally.deferred, bounced = c.bounced + tally.bounced,
            failed = c.failed + tally.failed, in_doubt = c.in_doubt + tally.in_doubt,
            doubted = c.doubted + tally.doubted,
            vain_since = case when tally.ended > 0 then now() else c.vain_since end,
            lease_until = case when c.fence = $3 and c.lease_until is not null then now() + $7 * interval '1 second'
                               else c.lease_until end
       from tally
      where c.mailing_id = $1 and c.n = $2`,
    values: [
      chunk.mailingId,
      chunk.n,
      chunk.fence,
      `{${inOrder.map((row) => row.subscriptionId).join(',')}}`,
      inOrder.map(({ reply }) => reply),
      exceptionsOf(inOrder),
      chunkLease,
      claimedAt,
    ],
  })
}

/** Ids are whole numbers without a sign, so the longer one is the greater. */
const byId = ({ subscriptionId: a }: Recorded, { subscriptionId: b }: Recorded): number =>
  a.length - b.length || (a < b ? -1 : 1)

/** What was not simply sent, keyed by subscription, in JSON, which leaves out what is undefined; null: all of it was. */
function exceptionsOf(batch: readonly Recorded[]): string | null {
  const told = batch.flatMap(({ subscriptionId, state, wait, trouble, begun }) =>
    state === 'sent' && trouble === null
      ? []
      : [
          [
            subscriptionId,
            { state, wait: wait ?? undefined, trouble: trouble ?? undefined, unbegun: begun ? undefined : true },
          ],
        ],
  )
  return told.length === 0 ? null : JSON.stringify(Object.fromEntries(told))
}

/** A letter that an earlier holder of the chunk had claimed and never recorded. */
export type Abandoned = { readonly subscriptionId: SubscriptionId; readonly attempt: number; readonly fence: string }

/**
 * Takes over what earlier holders of the chunk left claimed: nobody has recorded what became of it. To be settled in the
 * same transaction, because under the new fence nothing tells it from what is being sent now. Null: a later holder has taken
 * the chunk over, and settles it.
 */
export async function adoptAbandoned(db: Db, chunk: HeldChunk): Promise<Abandoned[] | null> {
  const { rows } = await db.query<{ subscriptionId: SubscriptionId | null; attempt: number; fence: string }>({
    name: 'adopt-abandoned',
    text: `with held as (
       select after_id, upto_id from chunks where mailing_id = $1 and n = $2 and fence = $3
     ), abandoned as (
       select d.subscription_id, d.attempt, d.fence
         from held h
         join deliveries d on d.mailing_id = $1 and d.subscription_id > h.after_id and d.subscription_id <= h.upto_id
        where d.state = 'claimed' and d.fence < $3
          for update of d
     ), adopted as (
       -- All of them: they are locked. Joined, each would be held against each other.
       update deliveries set fence = $3
        where mailing_id = $1 and subscription_id = any(array(select subscription_id from abandoned))
     )
     select a.subscription_id as "subscriptionId", a.attempt, a.fence from held left join abandoned a on true`,
    values: [chunk.mailingId, chunk.n, chunk.fence],
  })
  if (rows.length === 0) return null
  return rows.flatMap(({ subscriptionId, attempt, fence }) =>
    subscriptionId === null ? [] : [{ subscriptionId, attempt, fence }],
  )
}

/**
 * When claims of this turn were made of which it has not heard, because the answer was lost with its connection: none of their letters
 * began. Asked while no claim is under way. One that arrives later still is found the next time.
 *
 * @param heard when those were made whose answers came, as PostgreSQL writes it
 */
export async function unheardClaims(db: Db, chunk: HeldChunk, heard: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ at: string }>(
    `select distinct d.at::text as at
       from chunks c
       join deliveries d on d.mailing_id = c.mailing_id and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
      where c.mailing_id = $1 and c.n = $2 and c.fence = $3
        and d.state = 'claimed' and d.fence = $3 and d.at <> all($4::timestamptz[])`,
    [chunk.mailingId, chunk.n, chunk.fence, heard],
  )
  return rows.map(({ at }) => at)
}

/**
 * Makes due again what was claimed at these hours. They are named, and not all but those that were heard of: this statement may
 * arrive late as well, when later claims are on the wire.
 */
export async function putBackClaims(db: Db, chunk: HeldChunk, hours: readonly string[]): Promise<void> {
  await db.query(
    `update deliveries d
        set state = 'due', attempt = d.attempt - 1, at = now(), until = null
       from chunks c
      where c.mailing_id = $1 and c.n = $2 and c.fence = $3
        and d.mailing_id = $1 and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
        and d.state = 'claimed' and d.fence = $3 and d.at = any($4::timestamptz[])`,
    [chunk.mailingId, chunk.n, chunk.fence, hours],
  )
}
