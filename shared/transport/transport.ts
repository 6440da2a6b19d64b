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
 * - `not-started`: it might not start just before MAIL FROM, or the transport is closing, and the host has heard nothing;
 *   or its MAIL FROM left after `until`, or `beforeDot` said no, and the host has heard of it and has nothing.
 */
export type Outcome =
  | { readonly kind: 'accepted'; readonly reply: Reply }
  | { readonly kind: 'refused'; readonly phase: Phase; readonly reply: Reply }
  | { readonly kind: 'unreachable'; readonly phase: Phase; readonly detail: string }
  | { readonly kind: 'in-doubt'; readonly detail: string }
  | { readonly kind: 'not-started' }

/**
 * One letter for the wire. `parts` are its bytes in order, CRLF line ends, dots already stuffed, the last one ending in
 * CRLF; the transport adds only the final dot. Parts are shared between letters and never changed.
 */
export type Letter = {
  readonly envelope: Envelope
  readonly parts: readonly (Buffer | string)[]
  /**
   * Asked synchronously, immediately before the bytes that end in the final dot are given to the system. False: they must
   * not leave any more; the connection is cut, because nothing else ends a letter that the host waits for.
   */
  readonly beforeDot?: () => boolean
  /** Whether it keeps its connection waiting while others come and go: another connection may be opened in its place. */
  readonly stands?: () => boolean
}

/**
 * A letter by itself. `mayStart` is asked synchronously, immediately before MAIL FROM is written; it is not asked any more
 * after `until`, in milliseconds of `performance.now()`.
 */
export type Outgoing = Letter & { readonly mayStart: () => boolean; readonly until?: number | undefined }

/**
 * Letters in a row, each made when a connection is free for it: of a window's hundreds only those on the wire exist.
 */
export type LetterRow = {
  readonly length: number
  /** What has not begun by then, in milliseconds of `performance.now()`, is told that it has not. */
  readonly until: number
  /** Makes the letter at a place, immediately before its MAIL FROM is written; null: it may not start. Never throws. */
  open(place: number): Letter | null
  /** Told once for each place. */
  settle(place: number, outcome: Outcome): void
}

/** What carries letters to the mail host. Neither of its two ways to send ever rejects. */
export type Transport = {
  send(letter: Outgoing): Promise<Outcome>
  /** Resolves when every letter of the row has been settled. */
  sendRow(row: LetterRow): Promise<void>
  /**
   * Starts no more letters, lets those under way end, and closes the connections. Where the host takes long to ask for a letter
   * it is put back; once its dot has left it is waited for as ever.
   */
  close(): Promise<void>
}
