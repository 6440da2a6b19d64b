import type { SmtpLimits } from './smtp-limits.ts'
import type { Failure } from './smtp-opening.ts'

const tellEvery = 600_000

/**
 * Remembers that the mail host is away, and until when nobody knocks. The wait doubles from failure to failure, and is
 * up to a quarter shorter so that many workers do not all come back in the same moment.
 */
export type Outage = {
  /** What became of the last attempt, while it is too early for another. */
  current(now: number): Failure | null
  /** Whether the last attempt failed, however long ago: the next is a single knock. */
  isSuspected(): boolean
  /** Returns the wait until the next attempt, or `null` when it was begun before the last failure was known. */
  fail(failure: Failure, startedAt: number, now: number): number | null
  /** Whether to say so in the log: when it begins or is other news, and else once in ten minutes. */
  isWorthTelling(news: string, now: number): boolean
  end(): void
}

export function openOutage(limits: SmtpLimits, random: () => number = Math.random): Outage {
  let failure: Failure | null = null
  let failures = 0
  let failedAt = Number.NEGATIVE_INFINITY
  let until = 0
  let told = ''
  let toldAt = 0
  return {
    current: (now) => (now < until ? failure : null),
    isSuspected: () => failure !== null,
    fail(latest, startedAt, now) {
      failure = latest
      // Ten connections that fail together are one failure.
      if (startedAt < failedAt) return null
      failedAt = now
      const longest = isLoginRefused(latest) ? limits.longestAfterLogin : limits.longestWait
      const wait = Math.min(longest, limits.firstWait * 2 ** failures) * (0.75 + random() / 4)
      failures += 1
      until = now + wait
      return wait
    },
    isWorthTelling(news, now) {
      if (news === told && now - toldAt < tellEvery) return false
      told = news
      toldAt = now
      return true
    },
    end() {
      told = ''
      failure = null
      failures = 0
      until = 0
    },
  }
}

const isLoginRefused = (failure: Failure) =>
  failure.kind === 'refused' && failure.phase === 'auth' && failure.reply.code >= 500

/** For the log; the text of a reply may name a reader. */
export const logged = (failure: Failure): object =>
  failure.kind === 'refused'
    ? { phase: failure.phase, code: failure.reply.code, enhanced: failure.reply.enhanced }
    : { phase: failure.phase, detail: failure.detail }
