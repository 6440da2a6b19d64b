import type { Log } from '../../shared/log/log.ts'
import { openTurns } from '../../shared/turns.ts'

/**
 * Turns at a chunk of which nothing is left but letters that keep the mail host waiting, or that it keeps waiting. Their
 * job is over, so that other chunks go on; the chunk stays leased until they have come to an end, and what becomes due in it
 * meanwhile is sent from here.
 */
export type Lingering = {
  add(turn: Promise<void>): void
  /**
   * Sends what has become due in one of them. One by one: this is beside the jobs, of which there are few so that few letters are in
   * hand.
   */
  oneByOne(send: () => Promise<number>): Promise<number>
  /** Resolves when none is left. */
  ended(): Promise<void>
}

export function openLingering(log: Log): Lingering {
  const turns = new Set<Promise<void>>()
  const order = openTurns(1)
  return {
    async oneByOne(send) {
      await order.take()
      try {
        return await send()
      } finally {
        order.giveBack()
      }
    },
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
