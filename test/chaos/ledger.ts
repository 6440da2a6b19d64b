import type { Pool } from '../../shared/postgres/pool.ts'

/** The little that is asked of the installation itself: why a letter was not sent, and what it holds to be in doubt. */
export type Ledger = {
  /**
   * What became of a letter, and when, in milliseconds of the wall clock. `nothing at all` is written down of it where its
   * mailing was stopped before, which was then. Infinity: there is no telling.
   */
  endOf(mailing: string, address: string): { readonly state: string; readonly at: number }
  /** When attempts at this letter were written down as in doubt. */
  doubtsOf(mailing: string, address: string): readonly number[]
  readonly doubts: readonly { readonly mailing: string; readonly address: string; readonly at: number }[]
  /** Attempts counted although the mail host could not be reached or did not open its door: nobody's refusal. */
  readonly burnt: number
  /** Summed from the chunks. */
  readonly doubted: number
  /** Mailings that have not ended, or have letters that have not. */
  readonly notEnded: readonly string[]
}

/** Mailings with letters in doubt that wait for an operator. */
export async function listHeldInDoubt(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select distinct mailing_id as id from deliveries where state = 'in_doubt' order by 1`,
  )
  return rows.map(({ id }) => id)
}

export async function readLedger(pool: Pool): Promise<Ledger> {
  const states = await pool.query<{ mailing_id: string; address: string; state: string; at: number }>(
    `select d.mailing_id, b.address, d.state, extract(epoch from d.at)::float8 * 1000 as at
       from deliveries d
       join subscriptions s on s.id = d.subscription_id
       join subscribers b on b.id = s.subscriber_id
       join mailings m on m.id = d.mailing_id
      where d.state <> 'sent' or m.state in ('superseded', 'cancelled')`,
  )
  const doubts = await pool.query<{ mailing_id: string; address: string; at: number }>(
    `select a.mailing_id, b.address, extract(epoch from a.at)::float8 * 1000 as at
       from attempts a
       join subscriptions s on s.id = a.subscription_id
       join subscribers b on b.id = s.subscriber_id
      where a.verdict = 'in_doubt'`,
  )
  const doubted = await pool.query<{ doubted: number }>(
    `select coalesce(sum(doubted), 0)::float8 as doubted from chunks`,
  )
  const burnt = await pool.query<{ burnt: number }>(
    `select count(*)::int as burnt from attempts where phase in ('connect', 'greeting', 'ehlo')`,
  )
  const stopped = await pool.query<{ id: string; at: number }>(
    `select id, extract(epoch from done_at)::float8 * 1000 as at from mailings where state in ('superseded', 'cancelled')`,
  )
  // A letter without an end in a mailing that has one would never be looked at again.
  const notEnded = await pool.query<{ id: string }>(
    `select id from mailings m
      where state not in ('done', 'superseded', 'cancelled')
         or exists (select from deliveries d where d.mailing_id = m.id and d.state in ('due', 'claimed', 'deferred'))
      order by id`,
  )

  const key = (mailing: string, address: string) => `${mailing} ${address}`
  const stoppedAt = new Map(stopped.rows.map(({ id, at }) => [id, at]))
  const ends = new Map(
    states.rows.map(({ mailing_id, address, state, at }) => [key(mailing_id, address), { state, at }]),
  )
  const doubtsByLetter = new Map<string, number[]>()
  for (const { mailing_id, address, at } of doubts.rows) {
    const letter = key(mailing_id, address)
    doubtsByLetter.set(letter, [...(doubtsByLetter.get(letter) ?? []), at])
  }
  return {
    endOf: (mailing, address) =>
      ends.get(key(mailing, address)) ?? {
        state: stoppedAt.has(mailing) ? 'nothing at all' : 'sent, or nothing at all',
        at: stoppedAt.get(mailing) ?? Number.POSITIVE_INFINITY,
      },
    doubts: doubts.rows.map(({ mailing_id: mailing, address, at }) => ({ mailing, address, at })),
    doubtsOf: (mailing, address) => doubtsByLetter.get(key(mailing, address)) ?? [],
    burnt: burnt.rows[0]!.burnt,
    doubted: doubted.rows[0]!.doubted,
    notEnded: notEnded.rows.map(({ id }) => id),
  }
}
