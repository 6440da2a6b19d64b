import type { MailingId } from '../mailing/mailing.ts'
import { holdMailing, holdRevisions, reopenMailing, reopenStates } from '../mailing/reopen-mailing.sql.ts'
import type { Db, Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'

/** What an operator makes of letters held in doubt: send them once more, or take them for sent. */
export const settlements = ['again', 'sent'] as const
export type Settlement = (typeof settlements)[number]

export type Settled = {
  readonly letters: number
  /** Still in doubt, because a worker had their chunk in hand: the same act settles them a second later, or a minute where it was lost. */
  readonly left: number
}

/**
 * Settles the letters of a mailing that are held in doubt. `unknown`: there is no such mailing. `over`: it sends nothing
 * any more, because it was cancelled or a later revision replaced it, so its letters can only be counted as sent.
 */
export async function settleDoubts(pool: Pool, id: MailingId, as: Settlement): Promise<Settled | 'unknown' | 'over'> {
  return inTransaction(pool, async (tx) => {
    // Releases before the mailing, in the order in which a correction takes the two.
    const stands = await holdRevisions(tx, id)
    const state = await holdMailing(tx, id)
    if (state === null) return 'unknown'
    if (as === 'sent') return { letters: await countDoubtsAsSent(tx, id), left: await countDoubts(tx, id) }
    if (!reopenStates.includes(state) || !stands) return 'over'
    const letters = await sendDoubtsAgain(tx, id)
    if (letters > 0) await reopenMailing(tx, id)
    return { letters, left: await countDoubts(tx, id) }
  })
}

/**
 * Makes what is in doubt due again, and opens its chunks. Only chunks nobody holds: a holder that closes its chunk at
 * this moment has counted what is owed already, and would overlook these. A lease that has just run out may still be renewed
 * (decision 0034); after a minute, as where the mailing was paused meanwhile, nobody will, and the fence would keep them out.
 */
async function sendDoubtsAgain(db: Db, mailingId: MailingId): Promise<number> {
  const { rows } = await db.query<{ letters: number }>(
    `with free as (
       select n, after_id, upto_id
         from chunks
        where mailing_id = $1 and in_doubt > 0 and (lease_until is null or lease_until < now() - interval '1 minute')
        order by n for update
     ), doubted as (
       select free.n, d.subscription_id
         from free
        cross join lateral (
          select subscription_id
            from deliveries
           where mailing_id = $1 and subscription_id > free.after_id and subscription_id <= free.upto_id
             and state = 'in_doubt'
          offset 0) d
     ), moved as (
       update deliveries d set state = 'due', at = now(), until = null, reply = null
         from doubted
        where d.mailing_id = $1 and d.subscription_id = doubted.subscription_id and d.state = 'in_doubt'
       returning doubted.n
     ), tally as (
       select n, count(*)::int as letters from moved group by n
     ), counted as (
       update chunks c
          set state = 'open', next_at = now(), lease_until = null, fence = c.fence + 1, in_doubt = c.in_doubt - tally.letters
         from tally
        where c.mailing_id = $1 and c.n = tally.n
     )
     select coalesce(sum(letters), 0)::int as letters from tally`,
    [mailingId],
  )
  return rows[0]!.letters
}

/** Takes what is in doubt for sent; the reply says who said so. */
async function countDoubtsAsSent(db: Db, mailingId: MailingId): Promise<number> {
  const { rows } = await db.query<{ letters: number }>(
    `with free as (
       select n, after_id, upto_id
         from chunks
        where mailing_id = $1 and in_doubt > 0 and (lease_until is null or lease_until < now() - interval '1 minute')
        order by n for update
     ), doubted as (
       select free.n, d.subscription_id
         from free
        cross join lateral (
          select subscription_id
            from deliveries
           where mailing_id = $1 and subscription_id > free.after_id and subscription_id <= free.upto_id
             and state = 'in_doubt'
          offset 0) d
     ), moved as (
       update deliveries d set state = 'sent', at = now(), until = null, reply = 'Counted as sent by an operator.'
         from doubted
        where d.mailing_id = $1 and d.subscription_id = doubted.subscription_id and d.state = 'in_doubt'
       returning doubted.n
     ), tally as (
       select n, count(*)::int as letters from moved group by n
     ), counted as (
       update chunks c set sent = c.sent + tally.letters, in_doubt = c.in_doubt - tally.letters
         from tally
        where c.mailing_id = $1 and c.n = tally.n
     )
     select coalesce(sum(letters), 0)::int as letters from tally`,
    [mailingId],
  )
  return rows[0]!.letters
}

async function countDoubts(db: Db, mailingId: MailingId): Promise<number> {
  const { rows } = await db.query<{ letters: number }>(
    `select coalesce(sum(in_doubt), 0)::int as letters from chunks where mailing_id = $1`,
    [mailingId],
  )
  return rows[0]!.letters
}
