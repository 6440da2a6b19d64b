import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type WrongClock = {
  /** What a process is started with whose clock on the wall this is. */
  readonly env: Record<string, string>
  /** From now on it is off by so many milliseconds: ahead, or behind where they are negative. */
  moveTo(milliseconds: number): void
}

/** `entries`: where the compiled programs are; `folder`: what a clock is off by stands in a file in there. */
export function openWrongClock(entries: string, folder: string, name: string): WrongClock {
  const file = join(folder, `clock-${name}`)
  const moveTo = (milliseconds: number) => {
    // Whole or not at all: it is read at any moment.
    writeFileSync(`${file}.new`, String(milliseconds))
    renameSync(`${file}.new`, file)
  }
  moveTo(0)
  return {
    env: { NODE_OPTIONS: `--import=${join(entries, 'test/rig/moved-clock.js')}`, MOVED_CLOCK: file },
    moveTo,
  }
}
