import type { MailingId } from '../mailing/mailing.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'

/** What each state of a delivery means, in an operator's words. */
export const deliveryStates = {
  due: 'Owed, and not tried yet, or to be tried again at once.',
  claimed: 'In the hands of a worker.',
  deferred: 'Refused for now; has a next time.',
  sent: 'Accepted by the mail host.',
  bounced: 'Refused for good; the address is suppressed.',
  failed: 'Given up: refused for now until the retry window closed, or refused for what the letter is.',
  opted_out: 'The reader left before it was sent; not sent.',
  suppressed: 'The address gets no mail; not sent.',
  withdrawn: 'Its mailing was stopped or replaced before it was sent; not sent.',
  in_doubt: 'The final dot was written and no reply came; held until an operator settles it.',
  complained: 'The reader reported it as spam; the subscription has ended.',
} as const
export type DeliveryState = keyof typeof deliveryStates

/** The states in which nothing more is owed. */
export const endStates: readonly DeliveryState[] = [
  'sent',
  'bounced',
  'failed',
  'opted_out',
  'suppressed',
  'withdrawn',
  'in_doubt',
  'complained',
]

const next: Record<DeliveryState, readonly DeliveryState[]> = {
  due: ['claimed', 'deferred', 'failed', 'opted_out', 'suppressed', 'withdrawn', 'in_doubt'],
  claimed: ['due', 'deferred', 'sent', 'bounced', 'failed', 'in_doubt'],
  deferred: ['claimed', 'deferred', 'failed', 'opted_out', 'suppressed', 'withdrawn', 'in_doubt'],
  sent: ['bounced', 'complained'],
  in_doubt: ['due', 'sent'],
  bounced: ['due'],
  failed: [],
  opted_out: [],
  suppressed: [],
  withdrawn: [],
  complained: [],
}

/** The states from which `to` can be entered. */
export const canEnter = (to: DeliveryState): readonly DeliveryState[] =>
  (Object.keys(next) as DeliveryState[]).filter((from) => next[from].includes(to))

/** One letter owed to one reader, taken for one attempt. */
export type Claimed = {
  readonly subscriptionId: SubscriptionId
  readonly address: string
  readonly language: string
  readonly attempt: number
}

/** The letters of one claim. */
export type Window = {
  readonly letters: readonly Claimed[]
  /** The claim's hour, to the microsecond, as PostgreSQL writes it; null: it took none. */
  readonly claimedAt: string | null
}

/** A chunk in the hands of one worker: every change it makes carries the fence, and a later lease makes it void. */
export type HeldChunk = { readonly mailingId: MailingId; readonly n: number; readonly fence: string }

/** What an attempt came to, as the ledger keeps it. */
export type Recorded = {
  readonly subscriptionId: SubscriptionId
  readonly state: 'sent' | 'deferred' | 'bounced' | 'failed' | 'in_doubt' | 'due'
  /** Seconds until it is due again; for `deferred` and `due`. */
  readonly wait: number | null
  readonly reply: string | null
  /** Null where the attempt simply succeeded or never began: then no attempt is written down. */
  readonly trouble: {
    readonly verdict: 'deferred' | 'bounced' | 'failed' | 'in_doubt'
    readonly phase: string | null
    readonly code: number | null
    readonly enhanced: string | null
    readonly detail: string
  } | null
  /** A try that never reached MAIL FROM does not count as one. */
  readonly begun: boolean
}

/**
 * How long after a claim a hand-over may begin, in milliseconds. An opt-out's answer waits until no claim on that
 * reader is younger than this, so it bounds that answer; and a claim older than this is asked for again, so it bounds
 * how much a slow mail host costs.
 */
export const claimValidity = 700

/** How long a lease on a chunk lasts unless renewed, in seconds: with the reconciler's five, work is back in 15. */
export const chunkLease = 8
