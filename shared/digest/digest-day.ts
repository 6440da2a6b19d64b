import { DateTime, IANAZone } from 'luxon'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { DigestFrequency } from './digest.ts'

/** The day of a digest as the newsroom's calendar has it, and the instant at which its hour came. */
export type DigestDay = { readonly day: string; readonly at: Date }

/**
 * The last day whose digest hour has come. A day has one digest, whatever its clock does: an hour that does not exist
 * is the one after it, and of an hour that comes twice the first counts.
 *
 * @throws RangeError where this Node.js has no such time zone
 */
export function lastDigestDay(
  newsroom: Pick<Newsroom, 'zone' | 'digestHour' | 'digestWeekday'>,
  frequency: DigestFrequency,
  now: Date,
): DigestDay {
  const { zone, digestHour, digestWeekday } = newsroom
  const today = DateTime.fromJSDate(now, { zone })
  if (!knowsZone(zone)) throw new RangeError(`the time zone ${zone} is not known to this Node.js`)
  for (let back = 0; ; back += 1) {
    // At noon, which every day has: counting back from a late hour could skip a day.
    const noon = today.set({ hour: 12, minute: 0, second: 0, millisecond: 0 }).minus({ days: back })
    if (frequency === 'weekly' && noon.weekday !== digestWeekday) continue
    const { year, month, day } = noon
    const hour = firstOf(DateTime.fromObject({ year, month, day, hour: digestHour }, { zone }))
    if (hour.toMillis() <= now.getTime()) return { day: noon.toISODate()!, at: hour.toJSDate() }
  }
}

/** A newsroom may have been made by a process whose list of time zones is younger. */
export const knowsZone = (zone: string): boolean => IANAZone.isValidZone(zone)

/** The day whose hour has come and that has no cut yet; null: there is none, or the newsroom is younger. */
export function uncutDay(
  newsroom: Parameters<typeof lastDigestDay>[0] & {
    readonly createdAt: Date
    readonly lastDays: Readonly<Record<DigestFrequency, string | null>>
  },
  frequency: DigestFrequency,
  now: Date,
): DigestDay | null {
  const due = lastDigestDay(newsroom, frequency, now)
  const last = newsroom.lastDays[frequency]
  return (last !== null && last >= due.day) || due.at < newsroom.createdAt ? null : due
}

const firstOf = (hour: DateTime) =>
  hour.getPossibleOffsets().reduce((first, one) => (one.toMillis() < first.toMillis() ? one : first), hour)
