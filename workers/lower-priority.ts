import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

const polite = constants.priority.PRIORITY_BELOW_NORMAL
const politer = polite + 5

/**
 * Bulk mail takes every core it gets; the doors on the same machine, where somebody waits, come first. Never the other
 * way: who was started lower stays there, and raising it would be refused.
 *
 * On Linux a priority is each thread's own. Those that collect and compile are there before any code of ours has run: left where
 * they are they would go before the doors. They give way to the thread that hands letters over, too, which would
 * else wait for a core with all that hangs on it, such as the next letter.
 */
export function lowerPriority(): void {
  if (getPriority() >= polite) return
  for (const thread of threads()) {
    try {
      setPriority(thread, thread === process.pid ? polite : politer)
    } catch {
      // It has ended meanwhile, or may not be lowered here: letters go out all the same.
    }
  }
}

function threads(): number[] {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [process.pid]
}
