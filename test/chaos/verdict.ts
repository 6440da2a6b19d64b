import type { ChaosResult } from './run.ts'

/**
 * Seconds within which work goes on once a part is back, as promised: a lease of eight runs out, reconcile looks every
 * second here and every five as shipped, and what is left is slack. Runs on a busy machine of two cores take up to 8.
 */
const longestRecovery = 15

/**
 * Seconds within which the last of what a lost process held is in other hands. It keeps its place in the queue, which in a run
 * of many kills is long: up to 28 were seen.
 */
const takeoverBound = 60

/** Whether the promise was kept. */
export const isGreen = (result: ChaosResult) => redCounters(result).length === 0

const mustBeNone = [
  'lost',
  'excess',
  'late',
  'phantom',
  'untold',
  'toGone',
  'unheard',
  'untimely',
  'burnt',
  'unheeded',
  'errors',
  'leaked',
  'notEnded',
  'fallen',
  'idle',
  'vain',
] as const
export type RedCounter = (typeof mustBeNone)[number] | 'inDoubt' | 'recoverySeconds' | 'takeoverSeconds'

export function redCounters(result: ChaosResult): RedCounter[] {
  const red: RedCounter[] = mustBeNone.filter((counter) => result[counter] > 0)
  if (!result.mayDoubt && result.inDoubt > 0) red.push('inDoubt')
  if (result.recoverySeconds > longestRecovery) red.push('recoverySeconds')
  if (result.takeoverSeconds > takeoverBound) red.push('takeoverSeconds')
  return red
}

/** Of an act that met nothing once or twice, chance may have it so. */
const mostByChance = 2

/** What a run did not try, though it was to: acts that met nothing however often they were played, and letters that nobody was owed. */
export function listVain(result: Pick<ChaosResult, 'played' | 'inVain' | 'owed' | 'accepted'>): string[] {
  const { played, inVain, owed, accepted } = result
  const acts = Object.keys(played).filter(
    (name) => played[name]! > mostByChance && (inVain[name] ?? 0) >= played[name]!,
  )
  return [...acts, ...(owed === 0 || accepted === 0 ? ['letters'] : [])]
}
