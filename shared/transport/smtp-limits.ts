/** How long each wait may last, in milliseconds; for a reply, until the whole of it has come. */
export type SmtpLimits = {
  readonly connect: number
  readonly greeting: number
  /** EHLO, STARTTLS and each step of AUTH. */
  readonly opening: number
  readonly mail: number
  readonly rcpt: number
  readonly data: number
  /** For the system to take some of a letter's bytes; ten times as long for all of them. */
  readonly block: number
  readonly dot: number
  /**
   * A host slower than this after a dot gets its next letter when it has answered: commands written behind the dot could
   * lie unread for minutes, while the reader opts out and other connections are free. Less than a claim lives (700 ms):
   * commands that leave later than that are in vain, and cost the connection.
   */
  readonly prompt: number
  /**
   * For a reply to a letter whose dot has not left, or for the system to take some of its bytes, while the transport closes: then it is
   * put back.
   */
  readonly closing: number
  /** For the farewell of a host we have sent QUIT. */
  readonly quit: number
  /** A connection without a letter for so long is given back. */
  readonly idle: number
  /**
   * The first wait after the host could not be reached; it doubles up to `longestWait`. That one is shorter than what
   * lies between two tries of whoever has letters, so that each of those finds out, and none is told from memory that a
   * host is away which is back, but for one that refuses our login.
   */
  readonly firstWait: number
  readonly longestWait: number
  /** The longest where the host refuses our login for good: a restart with another is what helps, and tries lock accounts. */
  readonly longestAfterLogin: number
  /** For a knock at a host that may be away, before another is made beside it: one of its machines may keep a caller waiting. */
  readonly knock: number
}

// The waits for replies are those of RFC 5321 4.5.3.2. The one after the dot is long on purpose: giving up sooner
// turns letters the host is about to accept into letters in doubt (RFC 1047). The one for a connection is just longer than
// Linux's third repetition of a SYN, after seven seconds: a longer one would be waiting for the next, after fifteen, when
// the way to the host is open again.
export const smtpLimits: SmtpLimits = {
  connect: 8_000,
  greeting: 300_000,
  opening: 300_000,
  mail: 300_000,
  rcpt: 300_000,
  data: 120_000,
  block: 180_000,
  dot: 600_000,
  prompt: 500,
  // To MAIL, RCPT and DATA one after another it is half of what a process may take to end.
  closing: 5_000,
  quit: 5_000,
  idle: 60_000,
  firstWait: 500,
  longestWait: 5_000,
  longestAfterLogin: 60_000,
  knock: 5_000,
}

const slowestSweep = 100

/** How often connections are looked at, in milliseconds, so that the shortest wait is noticed when it is over. */
export function sweepInterval({ prompt: _, ...waits }: SmtpLimits): number {
  return Math.max(5, Math.min(slowestSweep, Math.min(...Object.values(waits)) / 4))
}
