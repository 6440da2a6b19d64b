import type { Log } from './log.ts'

/** Milliseconds between two lines that say the same: often enough to see that it lasts, and ten hours are 3,600 lines. */
const rest = 10_000

type Told = { quietUntil: number; heldBack: number }
const toldBy = new WeakMap<object, Map<string, Told>>()

/**
 * Warns of what says the same again with every try while it lasts, so that a database that is away for an hour does not
 * fill a disk: the first at once, then one in ten seconds, with how many were held back since the last (`heldBack`).
 * It is counted by the process's one log, so for all who try; `of` parts those whose trouble is not each other's.
 */
export function warnSeldom(log: Pick<Log, 'warn'>, about: object, sentence: string, of = ''): void {
  const told = findTold(log, `${sentence} ${of}`)
  const now = performance.now()
  if (now < told.quietUntil) {
    told.heldBack += 1
    return
  }
  const { heldBack } = told
  told.quietUntil = now + rest
  told.heldBack = 0
  log.warn(heldBack > 0 ? { ...about, heldBack } : about, sentence)
}

function findTold(log: object, name: string): Told {
  const known = toldBy.get(log) ?? new Map<string, Told>()
  toldBy.set(log, known)
  const told = known.get(name) ?? { quietUntil: 0, heldBack: 0 }
  known.set(name, told)
  return told
}
