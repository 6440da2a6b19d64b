import { digestFrequencies } from '../../../shared/digest/digest.ts'
import type { DigestHours } from '../../../shared/digest/digest-cut.sql.ts'
import { knowsZone, uncutDay } from '../../../shared/digest/digest-day.ts'
import { plural, span } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'

/** Workers look every 20 seconds, and dealing takes as long for a million readers. */
const patienceSeconds = 300

export type LateDigests = { readonly newsrooms: number; readonly oldest: Date | null }

/** Newsrooms whose digest hour has come and whose digests are not dealt yet. `openSince`: the hour of the oldest walk that is open. */
export function lateDigests(
  hours: readonly DigestHours[],
  openSince: ReadonlyMap<string, Date>,
  now: Date,
): LateDigests {
  const late = hours.flatMap((newsroom) => {
    const uncut = knowsZone(newsroom.zone)
      ? digestFrequencies.flatMap((frequency) => uncutDay(newsroom, frequency, now)?.at ?? [])
      : [newsroom.createdAt]
    const open = openSince.get(newsroom.newsroomId)
    const all = open === undefined ? uncut : [...uncut, open]
    return all.length === 0 ? [] : [Math.min(...all.map((at) => at.getTime()))]
  })
  return { newsrooms: late.length, oldest: late.length === 0 ? null : new Date(Math.min(...late)) }
}

/** A digest that was not made leaves no mailing behind, and looks like a day without news. */
export function judgeDigests({ newsrooms, oldest }: LateDigests, now: Date): Finding {
  const age = oldest === null ? 0 : Math.max(0, (now.getTime() - oldest.getTime()) / 1000)
  return {
    label: 'Digests whose hour has come',
    value:
      oldest === null
        ? 'all are dealt'
        : `of ${plural(newsrooms, 'newsroom', 'newsrooms')}, the oldest for ${span(age)}`,
    meaning: 'Once dealt, a digest is a mailing like any other; where nothing is to be told there is none.',
    wrong: age > patienceSeconds,
    todo: 'Is a workers process running, and does its log say “a cut of digests was broken off”?',
    href: null,
  }
}
