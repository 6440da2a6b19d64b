import type { Charge, Shortage } from '../../../shared/budget/budget.ts'
import type { ReaderDeps } from './reader-deps.ts'

/**
 * What was refused, and until when. Until then the rows need not be asked again: a flood from one network costs the
 * database no more than its first refusal. Nobody is refused a second longer for it: an empty budget gives nothing sooner.
 */
export function refusedBefore(deps: ReaderDeps, charges: readonly Charge[], now: Date): Shortage[] {
  const known = refusals.get(deps)
  if (!known) return []
  return charges.flatMap((charge) => {
    const wait = Math.ceil(((known.get(nameOf(charge)) ?? 0) - now.getTime()) / 1000)
    // Longer than the budget takes to fill: remembered by a clock that has been set right since.
    return wait > 0 && wait <= charge.budget.span ? [{ charge, wait }] : []
  })
}

export function rememberRefusal(deps: ReaderDeps, short: readonly Shortage[], now: Date): void {
  const known = refusals.get(deps) ?? new Map<string, number>()
  refusals.set(deps, known)
  if (known.size >= most) known.clear()
  for (const { charge, wait } of short) known.set(nameOf(charge), now.getTime() + wait * 1000)
}

/** Some megabytes; past it everything is asked anew. */
const most = 20_000

const refusals = new WeakMap<ReaderDeps, Map<string, number>>()

const nameOf = ({ budget, subject }: Charge) => `${budget.name} ${subject}`
