import type { Log } from '../../shared/log/log.ts'

/**
 * Turns at a chunk of which nothing is left but letters that keep the mail host waiting, or that it keeps waiting. Their
 * job is over, so that other chunks go on; the chunk stays leased until they have come to an end.
 */
export type Lingering = {
  add(turn: Promise<void>): void
  /** Resolves when none is left. */
  ended(): Promise<void>
}

export function openLingering(log: Log): Lingering {
  const turns = new Set<Promise<void>>()
  return {
    add(turn) {
      // The rows remember what is owed; who closes them next is the reconciler's business.
      const seen = turn.catch((err: unknown) => log.warn({ err }, 'a chunk could not be closed'))
      turns.add(seen)
      seen.finally(() => turns.delete(seen))
    },
    async ended() {
      while (turns.size > 0) await Promise.all(turns)
    },
  }
}
