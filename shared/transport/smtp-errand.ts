import type { Outcome, Outgoing } from './transport.ts'

/** A letter on its way, and whom to tell what became of it. */
export type Errand = {
  readonly letter: Outgoing
  /** Octets of the letter, as SIZE= declares them; known once it may start. */
  size: number
  readonly settle: (outcome: Outcome) => void
  /** How the first try ended, if the connection broke before the host had answered its MAIL FROM. */
  lost: Outcome | null
  /** The next in the row of those waiting. */
  after: Errand | null
}

/** The letters waiting for a connection, first come, first served. */
export type ErrandQueue = {
  readonly length: number
  push(errand: Errand): void
  /** For a letter that has waited before. */
  putFirst(errand: Errand): void
  shift(): Errand | null
}

export const newErrand = (letter: Outgoing, settle: (outcome: Outcome) => void): Errand => ({
  letter,
  size: 0,
  settle,
  lost: null,
  after: null,
})

/** Takes the measure of a letter that is about to start. */
export function measure(errand: Errand): void {
  errand.size = 0
  for (const part of errand.letter.parts) errand.size += part.length
}

/** Linked through the errands themselves: thousands wait at a time, and each is moved once in and once out. */
export function openErrandQueue(): ErrandQueue {
  let first: Errand | null = null
  let last: Errand | null = null
  let length = 0
  return {
    get length() {
      return length
    },
    push(errand) {
      errand.after = null
      if (last) last.after = errand
      else first = errand
      last = errand
      length += 1
    },
    putFirst(errand) {
      errand.after = first
      first = errand
      last ??= errand
      length += 1
    },
    shift() {
      const errand = first
      if (!errand) return null
      first = errand.after
      if (!first) last = null
      errand.after = null
      length -= 1
      return errand
    },
  }
}
