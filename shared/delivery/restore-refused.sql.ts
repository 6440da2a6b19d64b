import type { MailingId } from '../mailing/mailing.ts'
import { holdMailing, holdRevisions, reopenMailing, reopenStates } from '../mailing/reopen-mailing.sql.ts'
import type { Db, Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'
import { lockRefused, type Refused, restoreBounced } from '../subscription/end-bounced.sql.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { liftBounced } from '../suppression/suppression.sql.ts'

export type Restored = {
  /** Subscriptions that are followed again, to whatever newsroom: an address is refused for all of them. */
  readonly subscriptions: number
  /** Letters of this mailing that are due again. */
  readonly letters: number
  /** Letters whose chunks a worker had in hand: the same act a second later, or a minute where it was lost, deals with them. */
  readonly left: number
}

/** The commonest words in which a mailing's readers were refused for good, without the addresses in them, and how often. */
export async function listRefusals(db: Db, id: MailingId): Promise<{ reply: string; letters: number }[]> {
  const { rows } = await db.query<{ reply: string; letters: number }>(
    `select regexp_replace(coalesce(d.reply, ''), '\\S+@\\S+', '…', 'g') as reply, count(*)::int as letters
       from chunks c
       join deliveries d on d.mailing_id = c.mailing_id and d.subscription_id > c.after_id and d.subscription_id <= c.upto_id
      where c.mailing_id = $1 and c.bounced > 0 and d.state = 'bounced'
      group by 1 order by 2 desc, 1 limit 5`,
    [id],
  )
  return rows
}

/**
 * Takes back that the addresses of a mailing's readers are no good: their mail host was wrong, as one is whose directory is empty
 * for an hour. What that ended is followed again, and the mailing's own letters are due, where it may still send. A chunk a
 * transaction; `progress` hears of each. `unknown`: there is no such mailing.
 */
export async function restoreRefused(
  pool: Pool,
  id: MailingId,
  progress: (soFar: Restored) => void,
): Promise<Restored | 'unknown'> {
  let sum: Restored = { subscriptions: 0, letters: 0, left: 0 }
  for (const chunk of await listRefusedChunks(pool, id)) {
    const done = await inTransaction(pool, (tx) => restoreChunk(tx, id, chunk))
    if (done === 'unknown') return done
    sum = {
      subscriptions: sum.subscriptions + done.subscriptions,
      letters: sum.letters + done.letters,
      left: sum.left + done.left,
    }
    progress(sum)
  }
  return sum
}

async function restoreChunk(tx: Db, id: MailingId, n: number): Promise<Restored | 'unknown'> {
  // Releases before the mailing, in the order in which a correction takes the two.
  const stands = await holdRevisions(tx, id)
  const state = await holdMailing(tx, id)
  if (state === null) return 'unknown'
  const refused = await takeRefused(tx, id, n)
  if (!Array.isArray(refused)) return { subscriptions: 0, letters: 0, left: refused.left }
  await lockRefused(tx, refused)
  const restored = await restoreBounced(tx, refused, await liftBounced(tx, refused))
  // Only to them: until this moment nothing was owed to them, and so no digest has told them of it meanwhile.
  const letters = stands && reopenStates.includes(state) ? await oweAgain(tx, id, n, restored) : 0
  if (letters > 0) await reopenMailing(tx, id)
  return { subscriptions: restored.length, letters, left: 0 }
}

async function listRefusedChunks(db: Db, id: MailingId): Promise<number[]> {
  const { rows } = await db.query<{ n: number }>(
    `select n from chunks where mailing_id = $1 and bounced > 0 order by n`,
    [id],
  )
  return rows.map(({ n }) => n)
}

/** Those of a chunk that nobody holds, as where doubts are settled; else how many there are. */
async function takeRefused(db: Db, id: MailingId, n: number): Promise<Refused[] | { left: number }> {
  const { rows } = await db.query<{ bounced: number; free: boolean; after: string; upto: string }>(
    `select bounced, (lease_until is null or lease_until < now() - interval '1 minute') as free,
            after_id as after, upto_id as upto
       from chunks where mailing_id = $1 and n = $2 for update`,
    [id, n],
  )
  const [chunk] = rows
  if (!chunk?.free) return { left: chunk?.bounced ?? 0 }
  const { rows: refused } = await db.query<Refused>(
    `select subscription_id as "subscriptionId", at::text from deliveries
      where mailing_id = $1 and subscription_id > $2 and subscription_id <= $3 and state = 'bounced'
      order by subscription_id`,
    [id, chunk.after, chunk.upto],
  )
  return refused
}

async function oweAgain(db: Db, id: MailingId, n: number, readers: readonly SubscriptionId[]): Promise<number> {
  const { rows } = await db.query<{ letters: number }>(
    `with moved as (
       update deliveries set state = 'due', at = now(), until = null, reply = null
        where mailing_id = $1 and subscription_id = any($3::bigint[]) and state = 'bounced'
       returning subscription_id
     ), tally as (
       select count(*)::int as letters from moved
     ), counted as (
       update chunks c
          set state = 'open', next_at = now(), lease_until = null, fence = c.fence + 1, bounced = c.bounced - tally.letters
         from tally
        where c.mailing_id = $1 and c.n = $2 and tally.letters > 0
     )
     select letters from tally`,
    [id, n, readers],
  )
  return rows[0]!.letters
}
