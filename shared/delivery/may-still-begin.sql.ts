import { setTimeout } from 'node:timers/promises'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import { noticeClaim } from '../notice/notice.ts'
import type { Db, Pool } from '../postgres/pool.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { claimValidity } from './delivery.ts'

/**
 * For how much longer a notice is claimed than it may begin, in milliseconds. Its row tells until when it is claimed: a
 * minute from its claim, or from a renewal. Then it has begun, and somebody waits in vain for 700 ms; seldom enough.
 */
const outlivesItsStart = noticeClaim * 1000 - claimValidity

/**
 * Resolves once no worker may still begin a letter to this reader, who has just left: at once where none is in a worker's
 * hands. Else its worker is asked for it, and says within milliseconds that it has put it back or has it behind it; and
 * should nobody answer, the claim runs out. So does one on a notice about what the reader followed: those are few, and
 * nobody is asked for them.
 */
export async function untilNobodyMayBegin(pool: Pool, subscription: SubscriptionId): Promise<void> {
  for (let looks = 1; ; looks += 1) {
    const wait = await mayStillBegin(pool, subscription)
    if (wait === 0) return
    if (looks === 1) await askForLetter(pool, subscription)
    await setTimeout(Math.min(wait, 5 * looks, 15))
  }
}

/** How long a worker may still begin a letter to this reader, in milliseconds; 0: nobody may. */
export async function mayStillBegin(db: Db, subscription: SubscriptionId): Promise<number> {
  const { rows } = await db.query<{ wait: number | null }>({
    name: 'may-still-begin',
    text: `select extract(epoch from max(claim.until) - now())::float8 * 1000 as wait
       from (
         select d.until
           from subscriptions s
          cross join lateral (
            select m.id from mailings m
             where m.newsroom_id = s.newsroom_id and m.state not in ('done', 'cancelled', 'superseded')
            union all
            -- One that was ended a moment ago may have letters in hand that were claimed before; the moment is when the
            -- transaction that ended it began, and it may have waited for its turn.
            select m.id from mailings m
             where m.done_at > now() - interval '1 minute' and m.forgotten_at is null
               and m.newsroom_id = s.newsroom_id) m
          -- By key, whatever the planner thinks of a table that was empty when a connection first asked.
          cross join lateral (
            select until from deliveries
             where mailing_id = m.id and subscription_id = s.id and state = 'claimed' and until > now()
            offset 0) d
          where s.id = $1
         union all
         select n.next_at - $2 * interval '1 millisecond'
           from notices n where n.subscription_id = $1 and n.state = 'claimed') claim`,
    values: [subscription, outlivesItsStart],
  })
  return Math.max(0, rows[0]?.wait ?? 0)
}

/**
 * Resolves once no worker may still begin a notice that was owed to these very readers, whoever holds the subscription that
 * it is about: it may ask a new address, or tell the old one. The others `untilNobodyMayBegin` waits for.
 */
export async function untilNoNoticeMayBegin(pool: Pool, readers: readonly SubscriberId[]): Promise<void> {
  for (;;) {
    const wait = await mayStillBeginNotice(pool, readers)
    if (wait === 0) return
    await setTimeout(Math.min(wait, 25))
  }
}

/** How long a worker may still begin one, in milliseconds. */
async function mayStillBeginNotice(db: Db, readers: readonly SubscriberId[]): Promise<number> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select extract(epoch from max(n.next_at) - now())::float8 * 1000 - $2 as wait
       from notices n where n.subscriber_id = any($1::bigint[]) and n.state = 'claimed'`,
    [readers, outlivesItsStart],
  )
  return Math.max(0, rows[0]?.wait ?? 0)
}

/**
 * Resolves once no worker may still begin a letter of a mailing that a correction or withdrawal has just replaced, or that an
 * operator had cancelled a moment before: at once where none is in a worker's hands, else when their claims have ended or run
 * out.
 */
export async function untilNothingReplacedMayBegin(pool: Pool, newsroom: NewsroomId): Promise<void> {
  for (;;) {
    const wait = await mayStillBeginReplaced(pool, newsroom)
    if (wait === 0) return
    await setTimeout(Math.min(wait, 25))
  }
}

/**
 * How long a worker may still begin a letter of a mailing of this newsroom that was replaced or cancelled a moment ago, in
 * milliseconds. Whoever ended it had its row, which a claim holds until it is committed, so all there are can be seen; and
 * what a worker has in hand is in a chunk that it has leased.
 */
async function mayStillBeginReplaced(db: Db, newsroom: NewsroomId): Promise<number> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select extract(epoch from max(d.until) - now())::float8 * 1000 as wait
       from mailings m
       join chunks c on c.mailing_id = m.id and c.state = 'open' and c.lease_until is not null
       join deliveries d
         on d.mailing_id = m.id and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
      where m.newsroom_id = $1 and m.state in ('superseded', 'cancelled') and m.forgotten_at is null
        -- The moment is when the transaction that ended it began, and it may have waited for its turn.
        and m.done_at > now() - interval '1 minute'
        and d.state = 'claimed' and d.until > now()`,
    [newsroom],
  )
  return Math.max(0, rows[0]?.wait ?? 0)
}

/** Asks whoever has this reader's letter to give it back. */
export async function askForLetter(db: Db, subscription: SubscriptionId): Promise<void> {
  await db.query(`select pg_notify('letters_asked_for', $1)`, [subscription])
}

/** What a worker tells PostgreSQL so as to hear whose letter is asked for: a subscription's id. */
export const hearWhoseLetterIsAskedFor = 'listen letters_asked_for'
