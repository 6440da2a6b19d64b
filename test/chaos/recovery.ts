import type { Published } from './publisher.ts'
import type { Tally } from './tally.ts'

/** In milliseconds of the wall clock. */
export type Span = { readonly from: number; readonly to: number }
/** A part that was away. */
export type Outage = Span & { readonly part: string }
export type Recovery = { readonly seconds: number; readonly part: string }

/** What all workers processes together are called where none of them is up. */
const allWorkers = 'all workers'
/** Without these no letter can be claimed. A process that is away has others beside it. */
const needed = new Set(['postgres', 'redis', 'disk', 'mail-host', allWorkers])

/**
 * So few letters still to come for a release that they are those a mail host has put off: they go by the retry's clock,
 * and say nothing of whether work has been taken up again.
 */
const stragglers = 0.1

/**
 * The worst time from a part being back to the next acceptance of a letter that was owed by then, where more of its
 * release was still to come than stragglers. While something that
 * all depends on is away in its turn, the clock stands: waiting for that is none of the first part's recovery.
 */
export function worstRecovery(
  outages: readonly Outage[],
  told: readonly Published[],
  tally: Pick<Tally, 'acceptances'>,
): Recovery {
  const owedAt = new Map(told.map(({ title, accepted, hour }) => [title, Math.max(accepted.answered, hour ?? 0)]))
  const fresh = freshUntil(tally.acceptances)
  let worst: Recovery = { seconds: 0, part: '' }
  for (const { part, to } of outages) {
    const isOwed = ({ title }: { title: string }) => (owedAt.get(title) ?? Infinity) < to
    const next = tally.acceptances.find((entry) => entry.at > to && isOwed(entry))
    if (!next || ![...fresh].some(([title, until]) => isOwed({ title }) && to < until)) continue
    const seconds = (next.at - to - awayWithin(to, next.at, outages)) / 1000
    if (seconds > worst.seconds) worst = { seconds, part }
  }
  return worst
}

/** Until when more than stragglers of each release were still to come. */
function freshUntil(acceptances: Tally['acceptances']): Map<string, number> {
  const times = new Map<string, number[]>()
  for (const { title, at } of acceptances) {
    const known = times.get(title)
    if (known) known.push(at)
    else times.set(title, [at])
  }
  return new Map([...times].map(([title, ats]) => [title, ats[Math.ceil(ats.length * (1 - stragglers)) - 1]!]))
}

/** When the last of what was needed and away before then had come back; null: nothing had been away. */
export function lastBackBefore(then: number, outages: readonly Outage[]): number | null {
  const returns = outages.filter(({ part, to }) => needed.has(part) && to < then).map(({ to }) => to)
  return returns.length > 0 ? Math.max(...returns) : null
}

/** How much of a span something needed was away. */
export function awayWithin(start: number, end: number, outages: readonly Outage[]): number {
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

/** These and, as one of a part of its own, each time in which none of the workers processes was up. */
export function withAllWorkers(outages: readonly Outage[], workers: readonly string[]): Outage[] {
  return [...outages, ...whenAllAway(outages, workers).map((span) => ({ ...span, part: allWorkers }))]
}

/** When none of these parts was up. */
function whenAllAway(outages: readonly Outage[], parts: readonly string[]): Span[] {
  const [first = [], ...others] = parts.map((name): Span[] => outages.filter(({ part }) => part === name))
  return others.reduce(
    (spans, more) =>
      spans.flatMap((span) =>
        more
          .map((one) => ({ from: Math.max(span.from, one.from), to: Math.min(span.to, one.to) }))
          .filter(({ from, to }) => from < to),
      ),
    first,
  )
}
