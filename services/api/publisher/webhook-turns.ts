import { isDatabaseAway } from '../../../shared/postgres/database-away.ts'

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
  const waiting = new Set<(mayBegin: boolean) => void>()
  const here = new Map<string, number>()
  let begun = 0
  let all = 0

  function comesUp(): Promise<boolean> {
    if (begun < atOnce) {
      begun += 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(false), longestWait)
      const settle = (mayBegin: boolean) => {
        clearTimeout(timer)
        waiting.delete(settle)
        resolve(mayBegin)
      }
      waiting.add(settle)
    })
  }

  function giveBack(): void {
    const [next] = waiting
    if (next) next(true)
    else begun -= 1
  }

  async function begin<Answer>(act: () => Promise<Answer>): Promise<InTurn<Answer>> {
    try {
      return { answer: await act() }
    } catch (error) {
      if (isDatabaseAway(error)) for (const settle of [...waiting]) settle(false)
      throw error
    } finally {
      giveBack()
    }
  }

  return {
    async inTurn(slug, act) {
      const ofThis = here.get(slug) ?? 0
      if (ofThis === mostOfOne || all === mostOfAll) return 'too many'
      here.set(slug, ofThis + 1)
      all += 1
      try {
        return (await comesUp()) ? await begin(act) : 'too late'
      } finally {
        all -= 1
        const left = here.get(slug)! - 1
        if (left === 0) here.delete(slug)
        else here.set(slug, left)
      }
    },
  }
}
