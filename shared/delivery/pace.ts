/**
 * How fast a receiving domain is sent to. One that answers as quickly as the others has no pace at all. One that is
 * slow gets the share of connections it can use, so that it does not stand on those of the others; one whose provider
 * refuses us is held, each time within an hour for longer, and then begun again at a letter a second. Both recover slowly.
 */
export type Pace = {
  /** Letters a second. */
  readonly rate: number
  /** Until when nothing is sent there, or was, in ms since 1970; 0: it was never held. */
  readonly heldUntil: number
  readonly holds: number
  readonly reason: 'slow' | 'blocked'
  /** The last reply or measurement that decided, for the operator. */
  readonly detail: string
  /** When it last got worse or better, in ms since 1970. */
  readonly changedAt: number
}

/** What one process saw of a domain since it last told. */
export type Sighting = {
  readonly accepted: number
  readonly blocked: number
  /** The mean time of a hand-over to it, and to all other domains; milliseconds. */
  readonly meanMs: number
  readonly othersMs: number
  readonly reply: string
}

/** Above this rate a pace is of no use: it is dropped, and the domain runs free. Letters a second. */
export const freeRate = 500

const firstHold = 60_000
const longestHold = 3_600_000
/** A slow domain may keep about so many connections busy. */
const slowConnections = 2
/** Slow is so much slower than the others, and slower than this in any case: a healthy host far away takes 200 ms. */
const slowFactor = 5
export const slowMs = 500
export const leastSeen = 4
/** A domain that behaves gets half as much again, so often. */
const recoveryEvery = 10_000
const recoveryFactor = 1.5

/** The pace after a sighting; null: none is needed. */
export function adaptPace(pace: Pace | null, seen: Sighting, now: number): Pace | null {
  if (isBlocked(seen)) return hold(pace, seen, now)
  if (isSlow(seen)) {
    const rate = Math.max(0.5, (slowConnections * 1000) / seen.meanMs)
    const detail = `A letter takes ${Math.round(seen.meanMs)} ms; elsewhere ${Math.round(seen.othersMs)} ms.`
    return { rate, heldUntil: pace?.heldUntil ?? 0, holds: pace?.holds ?? 0, reason: 'slow', detail, changedAt: now }
  }
  if (pace === null) return null
  if (seen.accepted === 0 || now < pace.heldUntil || now - pace.changedAt < recoveryEvery) return pace
  const rate = pace.rate * recoveryFactor
  return rate >= freeRate ? null : { ...pace, rate, changedAt: now }
}

function hold(pace: Pace | null, seen: Sighting, now: number): Pace {
  // Letters that were under way when the hold began are refused as well; they say nothing new.
  if (pace && pace.heldUntil > now) return pace
  const isFresh = pace !== null && now - pace.heldUntil < longestHold
  const holds = (isFresh ? pace.holds : 0) + 1
  return {
    rate: 1,
    heldUntil: now + Math.min(longestHold, firstHold * 2 ** (holds - 1)),
    holds,
    reason: 'blocked',
    detail: seen.reply,
    changedAt: now,
  }
}

/**
 * Of those accepted lately a tenth at the least were refused. Fewer are refused for what a mailbox of theirs does not want, in words
 * that a provider has for us as well: the whole domain would be held for one such reader among thousands.
 */
const isBlocked = ({ accepted, blocked }: Sighting) => blocked > 0 && blocked >= blockedShare * accepted
const blockedShare = 0.1

const isSlow = ({ accepted, meanMs, othersMs }: Sighting) =>
  accepted >= leastSeen && meanMs > slowMs && meanMs > slowFactor * othersMs

/** The receiving domain of an address in wire form. */
export const domainOf = (address: string) => address.slice(address.lastIndexOf('@') + 1).toLowerCase()
