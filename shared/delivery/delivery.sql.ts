import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { type Claimed, claimValidity, type HeldChunk, type Window } from './delivery.ts'

/** Letters in one text, a line each: rows of their own cost a worker half as much again in all it asks of the ledger. */
type ClaimedRow = { claimed: string | null; at: string }

export type Claim = {
  /** Letters to take at the most. */
  readonly most: number
  /** Seconds in which a mailing is still worth sending after it began, or was opened again; then what is left has failed. */
  readonly window: number
}

/**
 * A claim waits a second for a lock and is then given up, with nothing claimed: who keeps a mailing's turn, or a reader's row, for
 * longer may be frozen. Of the workers' few jobs all would soon wait there, and every other mailing with them.
 */
const briefly = `set_config('lock_timeout', '1000', true)`

/**
 * The chunk's row, which this statement counts in at its end, and after it the paces there are and how many letters each lets go at
 * this moment. Always locked in one order, and after the rows of `first`: every claim waits for the paces, and one that waited for a
 * reader's row or its chunk's with them in hand would keep all others from theirs.
 */
const bucketsAfter = (first: string) => `counted_in as (
       select c.fence from chunks c
        where c.mailing_id = $1 and c.n = $2 and (select count(*) from ${first}) >= 0 for no key update
     ), buckets as (
       select domain, rate, held_until, turn_at,
              case when held_until > now() then 0
                   else floor(least(greatest(rate, 1), tokens + rate * extract(epoch from now() - filled_at))) end as room
         from paces where (select count(*) from counted_in) >= 0 order by domain for update
     )`

/**
 * When a letter put off comes again: after all of its domain that have a turn already, but not so late that nobody notices
 * when the domain recovers, 5 to 10 seconds and where the line is long up to 30. What is that late comes again together
 * with the others of its chunk: each at a moment of its own, a chunk would be taken up once for every letter in it.
 */
const turn = (place: string) =>
  `least(greatest(turn_at, held_until, now()) + (${place}) / rate * interval '1 second',
                    greatest(held_until, now()) + (1 + chance)
                      * least(greatest((turn_at - greatest(held_until, now())) / 20, interval '5 seconds'), interval '15 seconds'))`

/** One throw for a whole chunk, so that chunks written together do not come again together. */
const chance = 'random() as chance'

function readWindow([row]: readonly ClaimedRow[]): Window {
  if (!row?.claimed) return { letters: [], claimedAt: null }
  return { letters: row.claimed.split('\n').map(readLine), claimedAt: row.at }
}

/** The address comes last, because it alone may hold a blank. */
function readLine(line: string): Claimed {
  const attemptAt = line.indexOf(' ') + 1
  const languageAt = line.indexOf(' ', attemptAt) + 1
  const addressAt = line.indexOf(' ', languageAt) + 1
  return {
    subscriptionId: line.slice(0, attemptAt - 1) as SubscriptionId,
    address: line.slice(addressAt),
    language: line.slice(languageAt, addressAt - 1),
    attempt: Number(line.slice(attemptAt, languageAt - 1)),
  }
}

/**
 * Writes a fresh chunk's deliveries, each straight into the state it deserves: closed where the reader has left, is
 * suppressed or the mailing was stopped; claimed for the first `most` of the rest; due beyond that. The chunk turns from
 * `cut` to `open` in the same statement, so it cannot happen twice; the unique key would refuse it.
 *
 * `for share` on the subscriptions is what an opt-out waits for: it commits either before this statement reads, and is
 * seen, or after this statement commits, and then sees the claim.
 *
 * What it has written counts, also where the chunk was leased to somebody else while it waited: they find the chunk open, and its
 * letters due.
 */
export async function writeDeliveries(db: Db, chunk: HeldChunk, { most, window }: Claim): Promise<Window> {
  const { rows } = await db.query<ClaimedRow>({
    name: 'write-deliveries',
    text: `with turn_taken as materialized (select ${briefly}, begin_claim($1)), held as (
       select c.after_id, c.upto_id, m.newsroom_id, m.accepted_at, m.due_at, m.state as mailing_state, m.paused, m.kind,
              m.release_id, r.topics, coalesce(m.window_from, m.started_at) < now() - $6 * interval '1 second' as is_late,
              (select true from paces limit 1) as paced, ${chance}
         from turn_taken cross join chunks c join mailings m on m.id = c.mailing_id left join releases r on r.id = m.release_id
        where c.mailing_id = $1 and c.n = $2 and c.fence = $3 and c.state = 'cut' for share of m
     ), locked as (
       -- By itself, and joined to its reader after: a row that is another once the lock is had, by a change of address, would be
       -- joined to the reader it had before, and fall out of the audience.
       select s.id, s.language, s.state, s.subscriber_id
         from held h
         join subscriptions s on s.newsroom_id = h.newsroom_id and s.id > h.after_id and s.id <= h.upto_id
        where is_owed(s, $1, h.kind, h.accepted_at, h.due_at, h.topics,
                      -- Not from what is held: asked for a row that was waited for, PostgreSQL makes that a second time, and has two.
                      s.id in (select w.reader from chunks c join mailings m on m.id = c.mailing_id
                                cross join who_has(m.release_id, $1, c.after_id, c.upto_id) w
                                where c.mailing_id = $1 and c.n = $2))
          for share of s
     ), audience as (
       select s.id, s.language, b.address,
              case when h.mailing_state not in ('cutting', 'sending') then 'withdrawn'
                   when s.state <> 'active' or b.address is null then 'opted_out'
                   when x.address_hash is not null then 'suppressed'
                   when h.is_late then 'failed'
                   else 'due' end as verdict,
              h.paused, h.chance,
              -- Nearly always null; looking each address up in the table cost as much as writing its delivery.
              case when h.paced is not null then lower(split_part(b.address, '@', 2)) end as domain
         from held h
        cross join locked s
         -- By key: at tens of thousands of readers a join reads them all for each chunk.
        cross join lateral (select address, address_hash from subscribers where id = s.subscriber_id offset 0) b
         left join lateral (select address_hash from suppressions where address_hash = b.address_hash offset 0) x on true
     ), ${bucketsAfter('locked')}, placed as (
       select a.*, p.turn_at, p.held_until, p.rate, p.domain is not null as is_paced,
              row_number() over (partition by a.verdict, p.domain order by a.id) as place
         from audience a left join buckets p on p.domain = a.domain
     ), judged as (
       select id, language, address, domain, turn,
              case when verdict <> 'due' or paused then verdict
                   -- It joins its domain's line here, and is neither written twice nor looked at before its turn.
                   when is_paced then 'deferred'
                   when place <= $4::int and exists (select from counted_in where fence = $3) then 'claimed'
                   else verdict end as state
         from (select *, ${turn('place')} as turn from placed) p
     ), written as (
       insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at, until)
       select $1, id, state, case when state = 'claimed' then 1 else 0 end, $3, now(),
              case state when 'claimed' then now() + $5 * interval '1 millisecond' when 'deferred' then turn end
         from judged
       returning subscription_id, state, attempt
     ), lined_up as (
       update paces p
          set turn_at = greatest(p.turn_at, t.last_turn)
         from (select domain, max(turn) as last_turn from judged where state = 'deferred' group by domain) t
        where p.domain = t.domain
     ), tally as (
       select count(*) filter (where state = 'deferred')::int as deferred,
              count(*) filter (where state = 'opted_out')::int as opted_out,
              count(*) filter (where state = 'suppressed')::int as suppressed,
              count(*) filter (where state = 'withdrawn')::int as withdrawn,
              count(*) filter (where state = 'failed')::int as failed
         from written
     ), told as (
       insert into attempts (mailing_id, subscription_id, attempt, at, verdict, detail)
       select $1, subscription_id, 1, now(), 'failed', 'The retry window closed before it could be sent.'
         from written where state = 'failed'
     ), counted as (
       update chunks c
          set state = 'open', deferred = c.deferred + tally.deferred, opted_out = c.opted_out + tally.opted_out,
              suppressed = c.suppressed + tally.suppressed, withdrawn = c.withdrawn + tally.withdrawn,
              failed = c.failed + tally.failed
         from tally, held
        where c.mailing_id = $1 and c.n = $2
     )
     select string_agg(id || ' 1 ' || language || ' ' || address, e'\\n') as claimed, now()::text as at
       from judged where state = 'claimed'`,
    values: [chunk.mailingId, chunk.n, chunk.fence, most, claimValidity, window],
  })
  return readWindow(rows)
}

/**
 * Claims the next `most` letters due in an open chunk and, in the same breath, closes those no longer owed. Of a domain
 * that has a pace only as many are taken as its bucket holds; the rest are put off to when their turn comes.
 */
export async function claimDeliveries(db: Db, chunk: HeldChunk, { most, window }: Claim): Promise<Window> {
  const { rows } = await db.query<ClaimedRow>({
    name: 'claim-deliveries',
    text: `with turn_taken as materialized (select ${briefly}, begin_claim($1)), held as (
       select c.after_id, c.upto_id, m.accepted_at, m.state as mailing_state,
              coalesce(m.window_from, m.started_at) < now() - $6 * interval '1 second' as is_late, ${chance}
         from turn_taken cross join chunks c join mailings m on m.id = c.mailing_id
        where c.mailing_id = $1 and c.n = $2 and c.fence = $3 and c.state = 'open' and not m.paused for share of m
     ), next as materialized (
       -- First, so that no more readers are locked than letters are taken, and in order.
       select d.ctid as place_on_disk, d.subscription_id, d.state, d.attempt
         from held h
         join deliveries d on d.mailing_id = $1 and d.subscription_id > (select after_id from held)
          and d.subscription_id <= (select upto_id from held) and d.state in ('due', 'deferred')
          and (d.until is null or d.until <= now() or h.mailing_state not in ('cutting', 'sending'))
        order by d.subscription_id limit $4
     ), owed as (
       select d.place_on_disk, d.subscription_id, d.state as was, s.language, b.address, lower(split_part(b.address, '@', 2)) as domain,
              case when h.mailing_state not in ('cutting', 'sending') then 'withdrawn'
                   -- Who left and has come back since is a reader of what is accepted from then on.
                   when s.state <> 'active' or s.activated_at > h.accepted_at or b.address is null then 'opted_out'
                   when x.address_hash is not null then 'suppressed'
                   -- Whose last attempt was never answered may have the letter.
                   when h.is_late then coalesce((select 'in_doubt' from attempts t
                     where (t.mailing_id, t.subscription_id, t.attempt) = ($1, d.subscription_id, d.attempt)
                       and t.verdict = 'in_doubt'), 'failed')
                   else 'claimed' end as verdict
         from held h
        cross join next d
         -- All by key: a join reads everybody where many letters seem due, and where few do, holds each against each other. And a
         -- subscription that was waited for may be another reader's by now.
        cross join lateral (select language, state, activated_at, subscriber_id from subscriptions
                             where id = d.subscription_id offset 0 for share) s
        cross join lateral (select address, address_hash from subscribers where id = s.subscriber_id offset 0) b
         left join lateral (select address_hash from suppressions where address_hash = b.address_hash offset 0) x on true
     ), ${bucketsAfter('owed')}, ranked as (
       select o.*, row_number() over (partition by o.domain, o.verdict order by o.subscription_id) as place
         from owed o
     ), paced as (
       select r.place_on_disk, r.subscription_id, r.was, r.language, r.address, r.domain,
              case when r.verdict = 'claimed' and r.place > p.room then 'deferred' else r.verdict end as state,
              ${turn('place - room')} as turn
         from ranked r left join buckets p on p.domain = r.domain cross join held h
     ), moved as (
       update deliveries d
          set state = o.state, fence = $3, at = now(),
              attempt = d.attempt + case when o.state = 'claimed' then 1 else 0 end,
              until = case when o.state = 'claimed' then now() + $5 * interval '1 millisecond'
                           when o.state = 'deferred' then o.turn end
         from paced o
        -- By where it lies, which is never dearer than another way. By its key, and beside it the chunk's bounds, each letter in them was
        -- held against each one owed: a million times for a thousand.
        where d.ctid = o.place_on_disk and d.state in ('due', 'deferred')
          -- Whose chunk was leased to somebody else while this waited claims nothing: they have these letters in hand.
          and exists (select from counted_in where fence = $3)
       returning d.subscription_id, d.state, d.attempt, d.until, o.was, o.address, o.language, o.domain
     ), drained as (
       update paces p
          set tokens = case when t.taken > 0 then greatest(0, b.room - t.taken) else p.tokens end,
              filled_at = case when t.taken > 0 then now() else p.filled_at end,
              turn_at = greatest(p.turn_at, t.last_turn)
         from buckets b
         join (select domain, count(*) filter (where state = 'claimed') as taken,
                      max(until) filter (where state = 'deferred') as last_turn
                 from moved group by domain) t on t.domain = b.domain
        where p.domain = b.domain
     ), tally as (
       select count(*) filter (where state = 'deferred')::int - count(*) filter (where was = 'deferred')::int as deferred,
              count(*) filter (where state = 'opted_out')::int as opted_out,
              count(*) filter (where state = 'suppressed')::int as suppressed,
              count(*) filter (where state = 'withdrawn')::int as withdrawn,
              count(*) filter (where state = 'failed')::int as failed, count(*) filter (where state = 'in_doubt')::int as in_doubt
         from moved
     ), told as (
       insert into attempts (mailing_id, subscription_id, attempt, at, verdict, detail)
       select $1, subscription_id, attempt + 1, now(), 'failed', 'The retry window closed before it could be sent.'
         from moved where state = 'failed'
       on conflict do nothing
     ), counted as (
       update chunks c
          set deferred = c.deferred + tally.deferred, opted_out = c.opted_out + tally.opted_out,
              suppressed = c.suppressed + tally.suppressed, withdrawn = c.withdrawn + tally.withdrawn,
              failed = c.failed + tally.failed, in_doubt = c.in_doubt + tally.in_doubt
         from tally
        where c.mailing_id = $1 and c.n = $2
     )
     select string_agg(subscription_id || ' ' || attempt || ' ' || language || ' ' || address, e'\\n' order by subscription_id) as claimed,
            now()::text as at
       from moved where state = 'claimed'`,
    values: [chunk.mailingId, chunk.n, chunk.fence, most, claimValidity, window],
  })
  return readWindow(rows)
}
