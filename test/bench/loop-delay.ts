import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/*
 * Loaded into a workers process before its own code: how long its event loop was ever kept from turning, from SIGWINCH to
 * its end, in milliseconds. What comes before is start-up and the rendering of the letter. That signal, because nothing
 * else listens to it and it ends nobody.
 */
const file = process.env.LOOP_DELAY_FILE
const histogram = monitorEventLoopDelay({ resolution: 1 })
histogram.enable()
process.on('SIGWINCH', () => histogram.reset())
process.on('exit', () => {
  if (file) writeFileSync(file, String(histogram.max / 1e6))
})
