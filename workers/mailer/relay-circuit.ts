import type { Log } from '../../shared/log/log.ts'

/**
 * Trouble between us and the mail host is nobody's refusal: while it lasts, chunks are put back unopened instead of
 * spending every letter's turn on it. One chunk in each rest tries the host again.
 */
export type RelayCircuit = {
  /** Seconds until the next try is worth it; 0: now, and the caller's is it. */
  rest(): number
  tellTrouble(detail: string): void
  tellSuccess(): void
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

/** First and longest rest, in seconds: recovery is to be noticed within 15. */
const shortest = 2
const longest = 10

export function openRelayCircuit(log: Log): RelayCircuit {
  let restingUntil = 0
  let rest = 0
  let accepted = 0
  let trouble: { detail: string; since: number; tried: number } | null = null
  return {
    rest: () => Math.max(0, (restingUntil - performance.now()) / 1000),
    tellTrouble: (detail) => {
      const now = performance.now()
      trouble = { detail, since: trouble?.since ?? now, tried: now }
      if (now < restingUntil) return
      rest = Math.min(longest, rest === 0 ? shortest : rest * 2)
      restingUntil = now + rest * 1000
      log.warn({ detail, rest }, 'the mail host cannot be used; letters wait')
    },
    tellSuccess: () => {
      accepted += 1
      if (rest === 0) return
      rest = 0
      restingUntil = 0
      trouble = null
      log.info('the mail host can be used again')
    },
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
