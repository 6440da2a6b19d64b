import type { Published } from './publisher.ts'
import type { Tally } from './tally.ts'

/** In milliseconds of the wall clock. */
export type Span = { readonly from: number; readonly to: number }
/** A part that was away; `restarted`: it was begun anew, and did not just stand still. */
export type Outage = Span & { readonly part: string; readonly restarted?: boolean }
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
 * The worse of two, where more of a release was still to come than stragglers: the time from a part being back to the next letter
 * of what had been accepted by then, and the longest that no letter began at all, also where nothing was away. While something
 * that all depend on is away in its turn, the clock stands. `part` is what had come back; empty: nothing.
 */
export function worstRecovery(
  outages: readonly Outage[],
  told: readonly Published[],
  tally: Pick<Tally, 'acceptances'>,
): Recovery {
  const owedAt = new Map(told.map(({ title, accepted, hour }) => [title, Math.max(accepted.answered, hour ?? 0)]))
  const beginnings = listFresh(tally.acceptances)
  let worst: Recovery = { seconds: 0, part: '' }
  const consider = (part: string, from: number, to: number) => {
    // There are a million gaps, and nearly all are short.
    if (to - from <= worst.seconds * 1000) return
    const seconds = (to - from - awayWithin(from, to, outages)) / 1000
    if (seconds > worst.seconds) worst = { seconds, part }
  }
  const returns = outages.toSorted((a, b) => a.to - b.to)
  for (const { part, to } of returns) {
    const next = beginnings.find(({ at, title }) => at > to && (owedAt.get(title) ?? Infinity) < to)
    if (next) consider(part, to, next.at)
  }
  let back = 0
  let before = 0
  for (const { at, title } of beginnings) {
    // What nobody was owed yet as the last one began has not been waiting since.
    const from = Math.max(before, owedAt.get(title) ?? before)
    while (back < returns.length && returns[back]!.to < from) back += 1
    const first = returns[back]
    if (first && first.to < at) consider(first.part, first.to, at)
    else consider('', from, at)
    before = at
  }
  return worst
}

/** When each letter that was accepted had begun, in that order, without the stragglers of each release. */
function listFresh(acceptances: Tally['acceptances']): { readonly at: number; readonly title: string }[] {
  const times = new Map<string, number[]>()
  for (const { title, begunAt } of acceptances) {
    const known = times.get(title)
    if (known) known.push(begunAt)
    else times.set(title, [begunAt])
  }
  return [...times]
    .flatMap(([title, all]) => {
      const ats = all.toSorted((a, b) => a - b)
      return ats.slice(0, Math.ceil(ats.length * (1 - stragglers))).map((at) => ({ at, title }))
    })
    .toSorted((a, b) => a.at - b.at)
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
