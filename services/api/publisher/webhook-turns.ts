import { openTurns } from '../../../shared/turns.ts'

/**
 * Four of the ten connections to the database that this process has for everybody. A release is stored in some
 * milliseconds, so four are hundreds a second.
 */
const atOnce = 4
/**
 * Waiting or worked on, of one newsroom and of all: one that sends its whole archive at once is let in, and no newsroom's
 * flood turns away what another sends.
 */
const mostOfOne = 200
const mostOfAll = 600
/**
 * Milliseconds; as long as the pool waits for a connection. With PostgreSQL away each turn lasts so long, and those behind
 * would wait for minutes to hear of it.
 */
const longestWait = 5_000

export type WebhookTurns = {
  /** Does it when its turn comes; `null`: too many are waiting, or it waited too long, and nothing was done. */
  inTurn<Answer>(slug: string, act: () => Promise<Answer>): Promise<Answer | null>
}

/**
 * A publishing system gone wrong, or somebody who wants to be in the way, may send thousands of webhooks at once, signed or
 * not. Readers who leave meanwhile must not wait behind them: few are worked on at once, some wait, and the rest are
 * told to come again.
 */
export function openWebhookTurns(): WebhookTurns {
  const turns = openTurns(atOnce)
  const here = new Map<string, number>()
  let all = 0

  return {
    async inTurn(slug, act) {
      const ofThis = here.get(slug) ?? 0
      if (ofThis === mostOfOne || all === mostOfAll) return null
      here.set(slug, ofThis + 1)
      all += 1
      const askedAt = performance.now()
      await turns.take()
      try {
        return performance.now() - askedAt > longestWait ? null : await act()
      } finally {
        turns.giveBack()
        all -= 1
        const left = here.get(slug)! - 1
        if (left === 0) here.delete(slug)
        else here.set(slug, left)
      }
    },
  }
}
