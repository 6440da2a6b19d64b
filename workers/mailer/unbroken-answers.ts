/** Whether the database has been there for long enough that whoever lives could have renewed their leases. */
export type UnbrokenAnswers = {
  /** A question asked at this moment of a monotonic clock was answered with this hour of the database's; in milliseconds. */
  tell(askedAt: number, hour: number): void
  /** The last hour given, once the answers before it reach back far enough without a break; else null. */
  heardUntil(): number | null
}

/** Milliseconds: three renewals of two seconds, which never come quite so far apart. */
const longEnough = 5_500
/** Milliseconds: of two renewals one was not answered, and the next one came late. */
const longestGap = 5_000

/**
 * A lease that ran out tells that its holder is gone, unless the database was: while it hangs, restarts or is replaced by its
 * standby nobody can renew, and the first to be heard again would take the chunks of workers who have outcomes to record. From
 * another machine, where their journals cannot be read, all that they had claimed would be in doubt, and sent twice.
 *
 * All hours are the database's, so a process that was frozen, an answer that was long on its way, and a clock that was set all
 * show as a gap. What is asked with the hour given here may be heard as late as it likes: leases that ran out later are not in it.
 */
export function openUnbrokenAnswers(): UnbrokenAnswers {
  let since = 0
  let last = Number.NEGATIVE_INFINITY
  let lastAsked = Number.NEGATIVE_INFINITY
  return {
    tell: (askedAt, hour) => {
      // Answers may overtake each other.
      if (askedAt < lastAsked) return
      lastAsked = askedAt
      if (hour < last || hour - last > longestGap) since = hour
      last = hour
    },
    heardUntil: () => (last - since >= longEnough ? last : null),
  }
}
