/** How far an attempt got with the mail host. What comes after `dot` may have been accepted; what comes before was not. */
export const phases = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'dot'] as const
export type Phase = (typeof phases)[number]

/** A mail host's answer: the basic code, the enhanced code where it gave one (RFC 3463), and its text on one line. */
export type Reply = { readonly code: number; readonly enhanced: string | null; readonly text: string }

/** Sender and recipient as given to the mail host. `from` is the address bounces return to. */
export type Envelope = {
  readonly from: string
  readonly to: string
  /** RFC 3461 ENVID, unencoded; sent where the host offers DSN. */
  readonly envid?: string
}

/**
 * What became of one attempt.
 * - `accepted`: the host answered 2xx after the final dot.
 * - `refused`: the host answered 4xx or 5xx, at `phase`.
 * - `unreachable`: the connection failed at `phase`, before the final dot was written: safe to try again.
 * - `in-doubt`: the final dot was written and no reply came: perhaps accepted.
 * - `not-started`: `mayStart` said no just before MAIL FROM, or the transport is closing, and the host has heard nothing;
 *   or `beforeDot` said no, and the host has nothing.
 */
export type Outcome =
  | { readonly kind: 'accepted'; readonly reply: Reply }
  | { readonly kind: 'refused'; readonly phase: Phase; readonly reply: Reply }
  | { readonly kind: 'unreachable'; readonly phase: Phase; readonly detail: string }
  | { readonly kind: 'in-doubt'; readonly detail: string }
  | { readonly kind: 'not-started' }

/**
 * One letter for the wire. `envelope` and `parts` are read once `mayStart` has said yes, so a letter may be made there:
 * of a window of hundreds only those on the wire then exist. `parts` are its bytes in order, CRLF line ends, dots already
 * stuffed, the last one ending in CRLF; the transport adds only the final dot. Parts are shared between letters and
 * never changed.
 */
export type Outgoing = {
  readonly envelope: Envelope
  readonly parts: readonly Buffer[]
  /** Asked synchronously, immediately before MAIL FROM is written. */
  readonly mayStart: () => boolean
  /**
   * Asked synchronously, immediately before the bytes that end in the final dot are given to the system. False: they must
   * not leave any more; the connection is cut, because nothing else ends a letter that the host waits for.
   */
  readonly beforeDot?: () => boolean
}

/** What carries a letter to the mail host. `send` never rejects. */
export type Transport = {
  send(letter: Outgoing): Promise<Outcome>
  /** Lets letters under way end, starts no more, and closes the connections. */
  close(): Promise<void>
}
