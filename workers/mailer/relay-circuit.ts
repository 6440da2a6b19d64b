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
}

/** First and longest rest, in seconds: recovery is to be noticed within 15. */
const shortest = 2
const longest = 10

export function openRelayCircuit(log: Log): RelayCircuit {
  let restingUntil = 0
  let rest = 0
  return {
    rest: () => Math.max(0, (restingUntil - performance.now()) / 1000),
    tellTrouble: (detail) => {
      if (performance.now() < restingUntil) return
      rest = Math.min(longest, rest === 0 ? shortest : rest * 2)
      restingUntil = performance.now() + rest * 1000
      log.warn({ detail, rest }, 'the mail host cannot be used; letters wait')
    },
    tellSuccess: () => {
      if (rest === 0) return
      rest = 0
      restingUntil = 0
      log.info('the mail host can be used again')
    },
  }
}
