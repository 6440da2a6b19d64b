/** What a workers process says of itself; times are lengths, because its own clock is nobody else's. */
export type Beat = {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly upMs: number
  /** Letters the mail host took within about a minute. */
  readonly acceptedLately: number
  /** Whether it writes down how far each letter is. */
  readonly keepsJournal: boolean
  /** Why it cannot use the mail host: since when, when it last tried, how long it rests. */
  readonly trouble: {
    readonly detail: string
    readonly sinceMs: number
    readonly triedMs: number
    readonly restMs: number
  } | null
}

/** A workers process as others see it. */
export type WorkerStanding = {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly startedAt: Date
  readonly beatAt: Date
  readonly acceptedLately: number
  readonly keepsJournal: boolean
  readonly trouble: {
    readonly detail: string
    readonly since: Date
    readonly triedAt: Date
    readonly restsUntil: Date
  } | null
}

/** A process speaks so often, in seconds. */
export const beatEvery = 5
/** One that has said nothing for this long is not well. */
export const silentAfter = 30
/** One that has said nothing for this long is gone. */
export const vanishedAfter = 90

export const isSilent = ({ beatAt }: WorkerStanding, now: Date) => now.getTime() - beatAt.getTime() > silentAfter * 1000

/**
 * Whether the mail host cannot be used at this moment. While letters are due it is tried every ten seconds or so: a
 * failure that is old was followed by no try, because nothing was due any more.
 */
export const isCutOff = (worker: WorkerStanding, now: Date) =>
  worker.trouble !== null && !isSilent(worker, now) && now.getTime() - worker.trouble.triedAt.getTime() < 300_000
