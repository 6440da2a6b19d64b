import { domainOf } from '../../shared/delivery/pace.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import { maskAddresses } from '../../shared/subscriber/mask-address.ts'

/**
 * Trouble between us and the mail host is nobody's refusal: while it lasts, chunks are put back unopened instead of
 * spending every letter's turn on it. One chunk in each rest tries the host again.
 */
export type RelayCircuit = {
  /** Seconds until the next try is worth it; 0: now, and the caller's is it. */
  rest(): number
  tellTrouble(detail: string): void
  /** It takes only so many letters a second from us: everybody rests for a moment, whatever it takes meanwhile. */
  tellThrottled(detail: string): void
  /** Seconds of that moment that are left; rest() counts them, too. They are waited out: a chunk put back would wait for a reconciler. */
  throttledFor(): number
  /**
   * It has refused a letter to this address for something of ours. `many` were, and none was taken since: then it is ours.
   * `first`: it may be, and that is the address's first refusal; `few`: it is one more, and all that were refused are a few.
   */
  tellRefusal(address: string): 'first' | 'few' | 'many'
  /** Letters wait for the host, and none has been answered since this was told first. */
  tellSilence(): void
  /** It has refused a letter: it answers. */
  tellAnswer(): void
  tellSuccess(): void
  /** Whether the host has taken a letter within the last seconds: then it has nothing against us at large. */
  takesOthers(): boolean
  standing(): RelayStanding
}

/** How things stand with the mail host, for whoever watches; lengths of time in ms. */
export type RelayStanding = {
  /** Letters it has taken since this process began. */
  readonly accepted: number
  /** What was wrong at the last try, or that it answers nothing; null: nothing, or it was not tried yet. */
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
/** Seconds: of a rate that is counted by the second, what is left in it is refused. */
const throttledRest = 1
/** So many that it is not the addresses: a host that will not relay to one domain refuses all there, which may be a handful. */
const manyDomains = 3
const manyAddresses = 10
/** Milliseconds between two lines on trouble that lasts, and on trouble that comes and goes. */
const tellEvery = 600_000
const tellAnewAfter = 60_000
/** Milliseconds. */
const lately = 10_000
/** Milliseconds in which no letter is answered before it is called trouble: its own patience at each step is minutes. */
const longSilence = 60_000
const silent = 'it takes connections, and answers nothing'

export function openRelayCircuit(log: Log): RelayCircuit {
  let restingUntil = 0
  let throttledUntil = 0
  const refused = { addresses: new Set<string>(), domains: new Set<string>() }
  let rest = 0
  let accepted = 0
  let acceptedAt = Number.NEGATIVE_INFINITY
  let trouble: { detail: string; since: number; tried: number } | null = null
  let silence: { since: number; tried: number } | null = null
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
    rest: () => Math.max(0, (Math.max(restingUntil, throttledUntil) - performance.now()) / 1000),
    tellTrouble: (detail) => {
      const now = performance.now()
      trouble = { detail, since: trouble?.since ?? now, tried: now }
      if (now < restingUntil) return
      rest = Math.min(longest, rest === 0 ? shortest : rest * 2)
      restingUntil = now + rest * 1000
      tell(detail, now)
    },
    tellThrottled: (detail) => {
      throttledUntil = performance.now() + throttledRest * 1000
      warnSeldom(log, { detail: maskAddresses(detail) }, 'the mail host takes only so many letters a second')
    },
    throttledFor: () => Math.max(0, (throttledUntil - performance.now()) / 1000),
    tellRefusal: (address) => {
      const areMany = () => refused.addresses.size >= manyAddresses || refused.domains.size >= manyDomains
      if (areMany()) return 'many'
      if (refused.addresses.has(address)) return 'few'
      refused.addresses.add(address)
      refused.domains.add(domainOf(address))
      return areMany() ? 'many' : 'first'
    },
    tellSilence: () => {
      const now = performance.now()
      // One of long ago is another: nothing was sent in between.
      const since = silence !== null && now - silence.tried < longSilence ? silence.since : now
      silence = { since, tried: now }
      if (now - since > longSilence) tell(silent, now)
    },
    tellAnswer: () => {
      silence = null
    },
    tellSuccess: () => {
      accepted += 1
      acceptedAt = performance.now()
      silence = null
      if (refused.addresses.size > 0) for (const seen of Object.values(refused)) seen.clear()
      if (rest === 0 && !isTold) return
      rest = 0
      restingUntil = 0
      trouble = null
      if (isTold) log.info('the mail host can be used again')
      isTold = false
    },
    takesOthers: () => performance.now() - acceptedAt < lately,
    standing: () => {
      const now = performance.now()
      const isSilent =
        silence !== null && silence.tried - silence.since > longSilence && silence.tried > (trouble?.tried ?? 0)
      const wrong = isSilent && silence ? { detail: silent, ...silence } : trouble
      return {
        accepted,
        trouble: wrong && {
          detail: wrong.detail,
          sinceMs: now - wrong.since,
          triedMs: now - wrong.tried,
          restMs: Math.max(0, restingUntil - now),
        },
      }
    },
  }
}
