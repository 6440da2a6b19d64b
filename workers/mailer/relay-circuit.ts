import type { Log } from '../../shared/log/log.ts'
import { maskAddresses } from '../../shared/subscriber/mask-address.ts'

/**
 * Trouble between us and the mail host is nobody's refusal: while it lasts, chunks are put back unopened instead of
 * spending every letter's turn on it. One chunk in each rest tries the host again.
 */
export type RelayCircuit = {
  /** Seconds until the next try is worth it; 0: now, and the caller's is it. */
  rest(): number
  tellTrouble(detail: string): void
  tellSuccess(): void
  /** Whether the host has taken a letter within the last seconds: then it has nothing against us at large. */
  takesOthers(): boolean
  standing(): RelayStanding
}

/** How things stand with the mail host, for whoever watches; lengths of time in ms. */
export type RelayStanding = {
  /** Letters it has taken since this process began. */
  readonly accepted: number
  /** What was wrong at the last try; null: nothing, or it was not tried yet. */
  readonly trouble: {
    readonly detail: string
    readonly sinceMs: number
    readonly triedMs: number
    readonly restMs: number
  } | null
}

/** First and longest rest, in seconds: with the reconciler's five, the host's return is noticed within 15. */
const shortest = 2
const longest = 6
/** Milliseconds between two lines on trouble that lasts, and on trouble that comes and goes. */
const tellEvery = 600_000
const tellAnewAfter = 60_000
/** Milliseconds. */
const lately = 10_000

export function openRelayCircuit(log: Log): RelayCircuit {
  let restingUntil = 0
  let rest = 0
  let accepted = 0
  let acceptedAt = Number.NEGATIVE_INFINITY
  let trouble: { detail: string; since: number; tried: number } | null = null
  let toldAt = Number.NEGATIVE_INFINITY
  let isTold = false

  function tell(detail: string, now: number): void {
    if (now - toldAt < (isTold ? tellEvery : tellAnewAfter)) return
    toldAt = now
    isTold = true
    // A host that refuses a sender likes to repeat it.
    log.warn({ detail: maskAddresses(detail) }, 'the mail host cannot be used; letters wait')
  }

  return {
    rest: () => Math.max(0, (restingUntil - performance.now()) / 1000),
    tellTrouble: (detail) => {
      const now = performance.now()
      trouble = { detail, since: trouble?.since ?? now, tried: now }
      if (now < restingUntil) return
      rest = Math.min(longest, rest === 0 ? shortest : rest * 2)
      restingUntil = now + rest * 1000
      tell(detail, now)
    },
    tellSuccess: () => {
      accepted += 1
      acceptedAt = performance.now()
      if (rest === 0) return
      rest = 0
      restingUntil = 0
      trouble = null
      if (isTold) log.info('the mail host can be used again')
      isTold = false
    },
    takesOthers: () => performance.now() - acceptedAt < lately,
    standing: () => {
      const now = performance.now()
      return {
        accepted,
        trouble: trouble && {
          detail: trouble.detail,
          sinceMs: now - trouble.since,
          triedMs: now - trouble.tried,
          restMs: Math.max(0, restingUntil - now),
        },
      }
    },
  }
}
