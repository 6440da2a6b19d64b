import { readFileSync, writeFileSync } from 'node:fs'

/*
 * Loaded into a workers process before its own code: for how long its event loop did not turn at the longest, from
 * SIGWINCH to its end, and for how long at the longest it worked without turning, in milliseconds. The difference is the
 * wait for a core that others had. What comes before is start-up and the rendering of the letter. That signal, because
 * nothing else listens to it and it ends nobody.
 */
export type LoopDelay = { readonly longestMs: number; readonly busiestMs: number }

const file = process.env.LOOP_DELAY_FILE
let longestMs = 0
let busiestMs = 0
let at = performance.now()
let worked = workedMs()

function look(): void {
  const [now, total] = [performance.now(), workedMs()]
  longestMs = Math.max(longestMs, now - at)
  busiestMs = Math.max(busiestMs, total - worked)
  ;[at, worked] = [now, total]
  setTimeout(look, 1).unref()
}

/** What this thread has had of a core so far, as Linux counts it. */
function workedMs(): number {
  const [nanoseconds] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')
  return Number(nanoseconds) / 1e6
}

if (file) {
  look()
  process.on('SIGWINCH', () => {
    longestMs = 0
    busiestMs = 0
  })
  process.on('exit', () => writeFileSync(file, JSON.stringify({ longestMs, busiestMs } satisfies LoopDelay)))
}
