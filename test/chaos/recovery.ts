import type { Published } from './publisher.ts'
import type { Tally } from './tally.ts'

/** A part that was away, in milliseconds of the wall clock. */
export type Outage = { readonly part: string; readonly from: number; readonly to: number }
export type Recovery = { readonly seconds: number; readonly part: string }

/** Without these no letter can be claimed. A process that is away has others beside it. */
const needed = new Set(['postgres', 'redis', 'disk'])

/**
 * The worst time from a part being back to the next acceptance of a letter that was owed by then. While something that
 * all depends on is away in its turn, the clock stands: waiting for that is none of the first part's recovery.
 */
export function worstRecovery(
  outages: readonly Outage[],
  releases: readonly Published[],
  tally: Pick<Tally, 'acceptances'>,
): Recovery {
  const acceptedAt = new Map(releases.map(({ title, accepted }) => [title, accepted.answered]))
  let worst: Recovery = { seconds: 0, part: '' }
  for (const { part, to } of outages) {
    const next = tally.acceptances.find((entry) => entry.at > to && (acceptedAt.get(entry.title) ?? Infinity) < to)
    if (!next) continue
    const seconds = (next.at - to - awayWithin(to, next.at, outages)) / 1000
    if (seconds > worst.seconds) worst = { seconds, part }
  }
  return worst
}

/** How much of a span something needed was away. */
function awayWithin(start: number, end: number, outages: readonly Outage[]): number {
  let away = 0
  let counted = start
  for (const { from, to } of outages.filter(({ part }) => needed.has(part)).toSorted((a, b) => a.from - b.from)) {
    const begin = Math.max(from, counted)
    const stop = Math.min(to, end)
    if (stop <= begin) continue
    away += stop - begin
    counted = stop
  }
  return away
}
