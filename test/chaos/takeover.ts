import type { House } from './house.ts'
import { wallClock } from './journal.ts'
import { awayWithin, type Outage, type Span } from './recovery.ts'

/** What a process had in hand when it was killed or frozen, from then until it was in other hands. */
export type Taken = Span & { readonly what: string }
/** A mailing that somebody was at when a process was killed or frozen. */
export type Disturbed = { readonly mailing: string; readonly at: number }

export type TakeoverWatch = {
  /** Tells that a process was just killed or frozen. */
  noteLoss(part: string): void
  /** Stops watching. What was taken over, and what nobody has taken until now; and what was disturbed in the meantime. */
  close(): Promise<{ readonly taken: readonly Taken[]; readonly disturbed: readonly Disturbed[] }>
}

/** A chunk, or where `n` is -1 a mailing whose letters are prepared or whose audience is cut. */
export type Work = {
  readonly mailing: string
  readonly n: number
  /** How often it has changed hands, or how far it has come. */
  readonly turn: number
  /** Until when it is held, in milliseconds; null: by no lease. */
  readonly until: number | null
}
/** `held`: until when somebody is at it, in milliseconds; one that only waits to be prepared has null. */
type InHand = Work & { readonly held: number | null }
type Orphan = Work & { readonly from: number; readonly part: string }

/** Milliseconds. What a killed process had asked of PostgreSQL is done by then, and its last renewal is not taken for a life. */
const afterwards = 400
const lookEvery = 200

/**
 * Watches over what killed and frozen processes leave in their hands. Our own tables are asked whose turn it is, which says
 * nothing of letters: those are counted by the mail host.
 */
export function watchTakeovers({ pool }: Pick<House, 'pool'>): TakeoverWatch {
  const orphans = new Map<string, Orphan>()
  const taken: Taken[] = []
  const disturbed: Disturbed[] = []
  let losses: { part: string; at: number }[] = []
  let isOver = false

  const keyOf = ({ mailing, n }: Work) => `${mailing} ${n}`
  const end = (orphan: Orphan) => taken.push({ what: nameOf(orphan), from: orphan.from, to: wallClock() })

  async function look(): Promise<void> {
    await lookAfterOrphans()
    const due = losses.filter(({ at }) => at + afterwards < wallClock())
    if (due.length === 0) return
    const { rows } = await pool.query<InHand>(workInHand)
    losses = losses.filter((loss) => !due.includes(loss))
    for (const { part, at: from } of due)
      for (const work of rows) {
        if (work.held !== null && work.held >= from) disturbed.push({ mailing: work.mailing, at: from })
        // Whoever is lost may have just been taking it up, unless a lease was keeping them from it: then it is left anew.
        if (work.until === null || work.until < from || !orphans.has(keyOf(work)))
          orphans.set(keyOf(work), { ...work, from, part })
      }
  }

  async function lookAfterOrphans(): Promise<void> {
    if (orphans.size === 0) return
    const all = [...orphans.values()]
    const { rows } = await pool.query<Work>(workOf, [all.map(({ mailing }) => mailing), all.map(({ n }) => n)])
    const now = new Map(rows.map((row) => [keyOf(row), row]))
    for (const [key, orphan] of orphans) {
      const fate = fateOf(orphan, now.get(key)!)
      if (fate === 'waits') continue
      orphans.delete(key)
      if (fate === 'taken-over') end(orphan)
    }
  }

  const looking = (async () => {
    while (!isOver) {
      // While PostgreSQL is away nothing can be taken over either.
      await look().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, lookEvery))
    }
  })()
  return {
    noteLoss: (part) => losses.push({ part, at: wallClock() }),
    close: async () => {
      isOver = true
      await looking
      for (const orphan of orphans.values()) end(orphan)
      return { taken, disturbed }
    },
  }
}

/**
 * What has become of work that was in hand when a process was lost. Whoever renews a lease was not the one lost; a chunk that
 * came to its end or was put back in the same turn was in living hands as well.
 */
export function fateOf(was: Work, is: Work): 'waits' | 'taken-over' | 'was-not-lost' {
  if (is.turn > was.turn) return 'taken-over'
  if (was.until === null) return 'waits'
  return is.until === null || is.until > was.until ? 'was-not-lost' : 'waits'
}

const nameOf = ({ mailing, n, part }: Orphan) =>
  `${n === -1 ? `mailing ${mailing}` : `chunk ${n} of mailing ${mailing}`}, left by ${part}`

const cutting = `m.state in ('accepted', 'cutting') and m.kind <> 'digest'`
/** A mailing that is cut, or has ended otherwise, has come further than any. */
const ofMailing = `m.id as mailing, -1 as n, null::float8 as until,
  case when not (${cutting}) then 1e9 when m.state = 'cutting' then m.next_chunk + 1.0 else 0 end::float8 as turn`
const ofChunk = `c.mailing_id as mailing, c.n,
  case when c.state <> 'done' and m.state in ('cutting', 'sending') then extract(epoch from c.lease_until) * 1000 end::float8 as until,
  c.fence::float8 as turn`

const workInHand = `
  select mailing, n, turn, until, until as held
    from (select ${ofChunk} from chunks c join mailings m on m.id = c.mailing_id where c.state <> 'done') as t
   where until is not null
  union all
  select mailing, n, turn, until, held
    from (select ${ofMailing},
                 case m.state when 'cutting' then 'infinity' else extract(epoch from m.try_until) * 1000 end::float8 as held
            from mailings m where ${cutting}) as t`

const workOf = `
  select mailing, n, turn, until
    from unnest($1::bigint[], $2::int[]) as wanted (id, place)
    join lateral (
           select ${ofChunk} from chunks c join mailings m on m.id = c.mailing_id
            where place >= 0 and c.mailing_id = wanted.id and c.n = wanted.place
           union all
           select ${ofMailing} from mailings m where place = -1 and m.id = wanted.id) as t on true`

/**
 * The longest of them in seconds, and which it was. After a restart of PostgreSQL no lease is held to have run out until
 * everybody had the time to renew it, so the clock begins anew.
 */
export function longestTakeover(
  taken: readonly Taken[],
  outages: readonly Outage[],
): { readonly seconds: number; readonly what: string } {
  let longest = { seconds: 0, what: '' }
  for (const { what, from, to } of taken) {
    const restarts = outages.filter((one) => one.restarted && one.to > from && one.to < to)
    const since = Math.max(from, ...restarts.map((one) => one.to))
    const seconds = (to - since - awayWithin(since, to, outages)) / 1000
    if (seconds > longest.seconds) longest = { seconds, what }
  }
  return longest
}
