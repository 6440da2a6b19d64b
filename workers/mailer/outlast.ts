import { setTimeout } from 'node:timers/promises'
import { putBackClaims, unheardClaims } from '../../shared/delivery/record-attempts.sql.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import type { Turn } from './hand-over.ts'
import type { Lingering } from './lingering.ts'

type OutlastDeps = { readonly pool: Pool; readonly lingering: Lingering; readonly stopping: () => boolean }

/**
 * Waits for the letters that keep the mail host, for minutes perhaps. Nobody else may have the chunk meanwhile, so what is due in it
 * later is sent from here, too: when a pause is over, the mail host takes letters again, or the database is back. What a claim
 * took whose answer was lost is in nobody's hands, and due again. Returns what the last windows did; a fault of any of them comes at
 * the end.
 *
 * @param again sends what is due, and puts what it has to wait for among `slow`
 */
export async function outlast(
  deps: OutlastDeps,
  turn: Turn,
  windows: Promise<number>,
  slow: Promise<void>[],
  again: () => Promise<number>,
): Promise<number> {
  let fault: { error: unknown } | null = null
  let rest = 0
  for (let last = windows, look = 1; ; look = Math.min(2 * look, longestLook)) {
    try {
      rest = await last
    } catch (error) {
      fault ??= { error }
    }
    if (slow.length === 0) break
    let isOver = false
    const over = Promise.all(slow).then(() => {
      isOver = true
      return isOver
    })
    if (await Promise.race([over, setTimeout(1_000 * Math.max(rest, look), false, unref)])) break
    const hasFault = fault !== null
    const before = rest
    let isAtIt = false
    const sent = deps.lingering.oneByOne(async () => {
      if (isOver || deps.stopping() || !turn.lease.runs()) return before
      isAtIt = true
      if (hasFault) await putBack(deps, turn)
      return again()
    })
    // Where others are at it for long, a chunk of which nothing is under way any more is given back without its turn.
    last = Promise.race([sent, over.then(() => (isAtIt ? sent : before))])
  }
  if (fault !== null) throw fault.error
  return rest
}

async function putBack({ pool }: OutlastDeps, { chunk, heard }: Turn): Promise<void> {
  const unheard = await unheardClaims(pool, chunk, heard)
  if (unheard.length > 0) await putBackClaims(pool, chunk, unheard)
}

/** Seconds. */
const longestLook = 5
const unref = { ref: false }
