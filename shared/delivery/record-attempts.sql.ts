import type { Db } from '../postgres/pool.ts'
import { chunkLease, type HeldChunk, type Recorded } from './delivery.ts'

/**
 * Records a batch of attempts, adds them to the chunk's totals and renews its lease, all or nothing.
 *
 * The batch travels as one JSON object keyed by subscription and is looked up row by row. A join would be plainer, but
 * nobody can promise the planner how many rows of a table that was empty a minute ago are meant, and the plan it keeps
 * then compares each row with each: 28 ms a batch of 250 instead of 1.
 */
export async function recordAttempts(db: Db, chunk: HeldChunk, batch: readonly Recorded[]): Promise<void> {
  await db.query({
    name: 'record-attempts',
    text: `with moved as (
       update deliveries d
          set (state, at, reply, attempt, until) = (
                select g ->> 'state', now(), g ->> 'reply', d.attempt - case when g ? 'unbegun' then 1 else 0 end,
                       now() + (g ->> 'wait')::float8 * interval '1 second'
                  from (select $5::jsonb -> d.subscription_id::text) as told (g))
        where d.mailing_id = $1 and d.subscription_id = any($4::bigint[]) and d.state = 'claimed' and d.fence = $3
       returning d.subscription_id, d.attempt, d.state, $5::jsonb -> d.subscription_id::text -> 'trouble' as trouble
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
              count(*) filter (where trouble ->> 'verdict' = 'in_doubt')::int as doubted
         from moved
     )
     update chunks c
        set sent = c.sent + tally.sent, deferred = c.deferred + tally.deferred, bounced = c.bounced + tally.bounced,
            failed = c.failed + tally.failed, in_doubt = c.in_doubt + tally.in_doubt,
            doubted = c.doubted + tally.doubted, lease_until = now() + $6 * interval '1 second'
       from tally
      where c.mailing_id = $1 and c.n = $2 and c.fence = $3`,
    values: [
      chunk.mailingId,
      chunk.n,
      chunk.fence,
      batch.map((row) => row.subscriptionId),
      JSON.stringify(Object.fromEntries(batch.map((row) => [row.subscriptionId, toldOf(row)]))),
      chunkLease,
    ],
  })
}

/** Only what differs from the usual, because nearly all of a batch is the usual. */
const toldOf = ({ state, wait, reply, trouble, begun }: Recorded) => ({
  state,
  ...(reply === null ? {} : { reply }),
  ...(wait === null ? {} : { wait }),
  ...(trouble === null ? {} : { trouble }),
  ...(begun ? {} : { unbegun: true }),
})

/**
 * Settles what an earlier holder of the chunk left claimed. Nobody can know whether its letters were accepted, so each
 * is an attempt in doubt: counted, written down and, by policy, due again at once or held.
 */
export async function doubtAbandoned(db: Db, chunk: HeldChunk, policy: 'resend' | 'hold'): Promise<number> {
  const { rowCount } = await db.query(
    `with held as (
       select after_id, upto_id from chunks where mailing_id = $1 and n = $2 and fence = $3
     ), moved as (
       update deliveries d
          set state = case when $4 = 'hold' then 'in_doubt' else 'due' end, fence = $3, at = now(), until = null
         from held h
        where d.mailing_id = $1 and d.subscription_id > h.after_id and d.subscription_id <= h.upto_id
          and d.state = 'claimed' and d.fence < $3
       returning d.subscription_id, d.attempt
     ), counted as (
       update chunks c
          set doubted = c.doubted + (select count(*) from moved),
              in_doubt = c.in_doubt + case when $4 = 'hold' then (select count(*) from moved) else 0 end
        where c.mailing_id = $1 and c.n = $2 and c.fence = $3
     )
     insert into attempts (mailing_id, subscription_id, attempt, at, verdict, phase, detail)
     select $1, subscription_id, attempt, now(), 'in_doubt', null, 'The worker ended before it recorded a reply.'
       from moved
     on conflict do nothing`,
    [chunk.mailingId, chunk.n, chunk.fence, policy],
  )
  return rowCount ?? 0
}
