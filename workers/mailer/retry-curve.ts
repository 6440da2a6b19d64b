/** The settings of the curve, in seconds. */
export type RetryCurve = { readonly firstWait: number; readonly window: number }

/** No wait is longer than this: a mail host that is back after a night should not wait for the next one. */
const longestWait = 4 * 3600

/**
 * The wait after the attempt numbered `attempt` (the first is 1), in seconds, or `null` when the window is used up:
 * doubling from the first wait, at most four hours, and up to a fifth more, so that what was refused together does not
 * return together. Never less: a host that greylists for five minutes refuses whoever comes after four, and begins anew.
 * `chance` lies in [0, 1). The attempt number stands for the time gone by, so the curve needs no clock.
 */
export function nextWait(curve: RetryCurve, attempt: number, chance: number): number | null {
  if (waited(curve, attempt - 1) >= curve.window) return null
  return Math.max(1, Math.round(step(curve, attempt) * (1 + 0.2 * chance)))
}

/** The curve as a table, for the docs: the waits before each further attempt, without the fifth. */
export function tellCurve(curve: RetryCurve): { attempt: number; wait: number; since: number }[] {
  const rows: { attempt: number; wait: number; since: number }[] = []
  for (let attempt = 1; waited(curve, attempt - 1) < curve.window; attempt += 1)
    rows.push({ attempt: attempt + 1, wait: step(curve, attempt), since: waited(curve, attempt) })
  return rows
}

const step = (curve: RetryCurve, attempt: number) =>
  Math.min(curve.firstWait * 2 ** Math.min(attempt - 1, 30), Math.max(longestWait, curve.firstWait))

function waited(curve: RetryCurve, attempts: number): number {
  let total = 0
  for (let attempt = 1; attempt <= attempts; attempt += 1) total += step(curve, attempt)
  return total
}
