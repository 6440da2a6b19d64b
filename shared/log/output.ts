import { writeSync } from 'node:fs'

/** Milliseconds a line waits for whoever reads too slowly, before it is given up; and how long none is tried then. */
const patience = 100
const rest = 1_000

/**
 * Standard output for a log, on which nobody's mail may depend: on a full disk, or where whoever read it has gone, lines
 * are lost, and how many is told in the first line that can be written again. pino's own destination ends the process
 * there, or keeps the lines and tries for ever to write them when it ends.
 *
 * `notice`: the line that tells of lost ones.
 */
export function openOutput(notice: (lost: number) => string, write = (bytes: Buffer) => writeSync(1, bytes)) {
  let lost = 0
  let restUntil = 0
  /** A line of which only a part could be written is ended before the next. */
  let isTorn = false

  function writeWhole(text: string): void {
    const giveUpAt = performance.now() + patience
    for (let left = Buffer.from(isTorn ? `\n${text}` : text); left.length > 0; ) {
      try {
        left = left.subarray(write(left))
        isTorn = left.length > 0
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > giveUpAt) throw err
        Atomics.wait(sleeper, 0, 0, 5)
      }
    }
  }

  return {
    write(line: string): void {
      if (performance.now() < restUntil) {
        lost += 1
        return
      }
      try {
        if (lost > 0) writeWhole(notice(lost))
        lost = 0
        writeWhole(line)
      } catch {
        lost += 1
        restUntil = performance.now() + rest
      }
    },
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
