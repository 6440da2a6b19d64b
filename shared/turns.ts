export type Turns = {
  /** Resolves when it is one's turn, in the order of asking. */
  take(): Promise<void>
  giveBack(): void
}

/** Lets so many at once, and the others wait. */
export function openTurns(atOnce: number): Turns {
  const waiting: (() => void)[] = []
  let taken = 0
  return {
    take: () => {
      if (taken === atOnce) return new Promise((resolve) => waiting.push(resolve))
      taken += 1
      return Promise.resolve()
    },
    giveBack: () => {
      const next = waiting.shift()
      if (next) next()
      else taken -= 1
    },
  }
}
