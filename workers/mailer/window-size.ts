import { claimValidity } from '../../shared/delivery/delivery.ts'

/**
 * How many letters to claim at once. A claim is good for a fraction of a second, so a window should be on the wire
 * within about a third of that at the speed measured lately; what is not begun in time is put back and claimed again,
 * which is safe but costs a statement.
 */
export type WindowSize = {
  now(): number
  /** `accepted`: of a window of so many letters, in so many milliseconds. */
  tell(accepted: number, letters: number, ms: number): void
  /** The answer to a claim came when nothing of it could begin any more: fewer letters may be claimed sooner. */
  tellLate(): void
}

export function openWindowSize(limits: { least: number; most: number }): WindowSize {
  // Begin as if the host were quick: one that is not costs a statement to put back what was not begun, once.
  let perMs = limits.most / (claimValidity / 2)
  const now = () => Math.max(limits.least, Math.min(limits.most, Math.floor((perMs * claimValidity) / 2)))
  return {
    now,
    tell: (accepted, letters, ms) => {
      if (accepted === 0 || ms <= 0) return
      // The few letters of a small window wait as long as the many of a large one, and tell little of the host.
      const weight = Math.min(1, letters / now())
      perMs += 0.5 * weight * (accepted / ms - perMs)
    },
    tellLate: () => {
      perMs /= 2
    },
  }
}
