import type { MailingId } from '../../shared/mailing/mailing.ts'

/**
 * Mailings of which a claim was given up a moment ago, because somebody keeps what it has to lock. Each claim waits for a second: while
 * a forgotten session keeps the row of one mailing, its chunks, which are many, would take turn after turn from all others.
 */
export type KeptMailings = { tell(mailing: MailingId): void; isKept(mailing: MailingId): boolean }

/** Milliseconds: twice what a claim waits, so that of the turns at least two in three are others'. */
const rest = 2_000

export function openKeptMailings(): KeptMailings {
  const until = new Map<MailingId, number>()
  return {
    tell(mailing) {
      const now = performance.now()
      for (const [other, over] of until) if (over <= now) until.delete(other)
      until.set(mailing, now + rest)
    },
    isKept: (mailing) => (until.get(mailing) ?? 0) > performance.now(),
  }
}
