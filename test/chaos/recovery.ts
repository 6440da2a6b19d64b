import type { Published } from './publisher.ts'
import type { Tally } from './tally.ts'

export type Recovery = { readonly seconds: number; readonly part: string }

/** The worst time from a part being back to the next acceptance of a letter that was owed by then. */
export function worstRecovery(
  backs: readonly { readonly part: string; readonly at: number }[],
  releases: readonly Published[],
  tally: Tally,
): Recovery {
  const acceptedAt = new Map(releases.map(({ title, accepted }) => [title, accepted.answered]))
  let worst: Recovery = { seconds: 0, part: '' }
  for (const { part, at } of backs) {
    const next = tally.acceptances.find((entry) => entry.at > at && (acceptedAt.get(entry.title) ?? Infinity) < at)
    if (next && (next.at - at) / 1000 > worst.seconds) worst = { seconds: (next.at - at) / 1000, part }
  }
  return worst
}
