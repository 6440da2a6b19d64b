import { isSlug } from '../../../shared/newsroom/newsroom.ts'
import { liveKeysBySlug } from '../../../shared/newsroom/newsroom-key.sql.ts'
import type { SealedKey } from '../../../shared/newsroom/newsroom-key.ts'
import type { Db } from '../../../shared/postgres/pool.ts'

export type SigningKeys = {
  /** The keys that sign for a newsroom now, still sealed; `null`: there is no such newsroom. */
  of(slug: string): Promise<readonly SealedKey[] | null>
}

type Found = ReadonlyMap<string, readonly SealedKey[]>
type Round = {
  readonly slugs: Set<string>
  readonly found: Promise<Found>
  settle(found: Found): void
  fail(error: unknown): void
}

/**
 * Anybody may post anything at the webhook, and what is not signed must cost next to nothing. So keys are looked up for all
 * who wait at once, one question at a time, over one connection, however many they are. A question is never older than
 * who asks: a key that has been ended signs nothing from that moment on.
 */
export function openSigningKeys(deps: { readonly pool: Db; readonly now: () => Date }): SigningKeys {
  let next: Round | null = null
  let isLooking = false

  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    while (next !== null) {
      const round: Round = next
      next = null
      try {
        round.settle(await liveKeysBySlug(deps.pool, [...round.slugs], deps.now()))
      } catch (error) {
        round.fail(error)
        // Those who came meanwhile would wait as long for the same.
        leave(error)
      }
    }
    isLooking = false
  }

  function leave(error: unknown): void {
    next?.fail(error)
    next = null
  }

  return {
    async of(slug) {
      // One that PostgreSQL cannot even read would fail everybody's question.
      if (!isSlug(slug)) return null
      next ??= newRound()
      next.slugs.add(slug)
      const { found } = next
      void look()
      return (await found).get(slug) ?? null
    },
  }
}

function newRound(): Round {
  let settle: Round['settle'] = () => {}
  let fail: Round['fail'] = () => {}
  const found = new Promise<Found>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  return { slugs: new Set(), found, settle, fail }
}
