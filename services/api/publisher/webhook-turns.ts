import { isDatabaseAway, isStatementGivenUp } from '../../../shared/postgres/database-away.ts'

/**
 * Four of the ten connections to the database that this process has for everybody. A release is stored in some
 * milliseconds, so four are hundreds a second.
 */
const atOnce = 4
/** One newsroom's may have to wait for a lock of its own for seconds, and those of others are not to wait with them. */
const atOnceOfOne = 3
/**
 * Waiting or worked on, of one newsroom and of all: one that sends its whole archive at once is let in, and no newsroom's
 * flood turns away what another sends.
 */
const mostOfOne = 200
const mostOfAll = 600
/** Milliseconds; as long as the pool waits for a connection. */
const longestWait = 4_000

/** `too many`: more wait than should. `too late`: it waited in vain. Either way nothing was done. */
export type InTurn<Answer> = { readonly answer: Answer } | 'too many' | 'too late'

export type WebhookTurns = {
  /** Does it when its turn comes. */
  inTurn<Answer>(slug: string, act: () => Promise<Answer>): Promise<InTurn<Answer>>
}

/**
 * A publishing system gone wrong may send thousands of webhooks at once, and all of them signed. Readers who leave meanwhile
 * must not wait behind them: few are worked on at once, some wait, and the rest are told to come again. With the database
 * away one turn takes many seconds; so what one of them learns the hard way is told to all who wait behind it.
 */
export function openWebhookTurns(): WebhookTurns {
  /** In the order in which they came. */
  const waiting = new Map<(mayBegin: boolean) => void, string>()
  const here = new Map<string, number>()
  const begunOf = new Map<string, number>()
  let begun = 0
  let all = 0

  const isFree = (slug: string) => begun < atOnce && (begunOf.get(slug) ?? 0) < atOnceOfOne

  function count(slug: string, by: 1 | -1): void {
    begun += by
    const now = (begunOf.get(slug) ?? 0) + by
    if (now === 0) begunOf.delete(slug)
    else begunOf.set(slug, now)
  }

  function comesUp(slug: string): Promise<boolean> {
    if (isFree(slug)) {
      count(slug, 1)
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(false), longestWait)
      const settle = (mayBegin: boolean) => {
        clearTimeout(timer)
        waiting.delete(settle)
        if (mayBegin) count(slug, 1)
        resolve(mayBegin)
      }
      waiting.set(settle, slug)
    })
  }

  /** Newsrooms of which few are worked on come first: who sends a hundred at once waits for themselves. */
  function giveBack(slug: string): void {
    count(slug, -1)
    const few = (one: string) => begunOf.get(one) ?? 0
    const [next] = [...waiting].filter(([, one]) => isFree(one)).sort(([, a], [, b]) => few(a) - few(b))
    next?.[0](true)
  }

  async function begin<Answer>(slug: string, act: () => Promise<Answer>): Promise<InTurn<Answer>> {
    try {
      return { answer: await act() }
    } catch (error) {
      if (isDatabaseAway(error) && !isStatementGivenUp(error)) for (const settle of [...waiting.keys()]) settle(false)
      throw error
    } finally {
      giveBack(slug)
    }
  }

  return {
    async inTurn(slug, act) {
      const ofThis = here.get(slug) ?? 0
      if (ofThis === mostOfOne || all === mostOfAll) return 'too many'
      here.set(slug, ofThis + 1)
      all += 1
      try {
        return (await comesUp(slug)) ? await begin(slug, act) : 'too late'
      } finally {
        all -= 1
        const left = here.get(slug)! - 1
        if (left === 0) here.delete(slug)
        else here.set(slug, left)
      }
    },
  }
}
