/**
 * One group of commands and letter bytes, put together so that it leaves in one write. Copying 30 KB into a buffer
 * kept for it costs less than handing the system twenty pieces.
 */
export type Outbox = {
  text(words: string): void
  parts(parts: readonly (Buffer | string)[], size: number): void
  /** What was put in. It is written over by the next group, unless `lend` is called. */
  take(): Buffer
  /** Leaves the bytes last taken to a system that has not sent them yet. */
  lend(): void
  /** The system has sent what was lent last: its buffer may be used again. */
  giveBack(): void
}

export function openOutbox(): Outbox {
  let buffer: Buffer = Buffer.allocUnsafeSlow(usualSize)
  let length = 0
  // Letters are often larger than what the system takes at once. A fresh buffer for each would cost more in collection
  // than everything else done for the letter.
  let lent: Buffer | null = null
  let spare: Buffer | null = null

  function makeRoom(wanted: number): void {
    if (length + wanted <= buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(length + wanted, 2 * buffer.length))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }

  return {
    text(words) {
      // A UTF-16 unit becomes three bytes of UTF-8 at most.
      makeRoom(3 * words.length)
      length += buffer.write(words, length, 'utf8')
    },
    parts(parts, size) {
      makeRoom(size)
      for (const part of parts) {
        if (typeof part === 'string') {
          length += buffer.write(part, length, 'utf8')
        } else {
          length += part.copy(buffer, length)
        }
      }
    },
    take() {
      const taken = buffer.subarray(0, length)
      if (buffer.length > largestKept) buffer = Buffer.allocUnsafeSlow(usualSize)
      length = 0
      return taken
    },
    lend() {
      lent = buffer
      buffer = spare ?? Buffer.allocUnsafeSlow(usualSize)
      spare = null
    },
    giveBack() {
      // A buffer lent before this one is the system's until it is collected; that is rare.
      spare = lent
      lent = null
    },
  }
}

const usualSize = 64 * 1024
const largestKept = 1024 * 1024
