import { openSync, readSync } from 'node:fs'
import type { DigestItem } from './sink-text.ts'

/**
 * What the sink saw, one line of JSON each, in the order it saw it. `seq` is that order; `at` is milliseconds of the
 * wall clock with fractions. `left`, `replaced`, `stopped` and `resumed` are the harness telling, in the same order, what has
 * been answered or is about to be asked: so whether a letter began before or after is a matter of lines, not of two clocks.
 */
export type Entry = {
  readonly seq: number
  readonly at: number
  readonly to: string
} /** `envelope`: the sender's address, which names the mailing. */ & (
  | { readonly is: 'begun'; readonly envelope: string }
  | { readonly is: 'refused'; readonly code: number }
  | {
      readonly is: 'accepted'
      /** Of the MAIL FROM. */
      readonly begunAt: number
      readonly begunSeq: number
      readonly envelope: string
      readonly subject: string
      readonly messageId: string
      readonly leaveUrl: string
      /** What its text lacks, in words; null: nothing. */
      readonly lacks: string | null
      /** What a digest tells; null: it is none. */
      readonly items: readonly DigestItem[] | null
    }
  /** The 250 was written. */
  | { readonly is: 'answered' }
  | { readonly is: 'left' }
  /** `mailing` as its webhook was answered, `title` as it was told; `to` is nobody. */
  | { readonly is: 'replaced'; readonly mailing: string; readonly title: string }
  /** An operator has paused or cancelled it, a second ago. */
  | { readonly is: 'stopped'; readonly mailing: string }
  /** From here on it may go on: an operator is about to ask for it. */
  | { readonly is: 'resumed'; readonly mailing: string }
)

/** The wall clock, fine enough to order what happens within a millisecond. */
export const wallClock = () => performance.timeOrigin + performance.now()

/** Reads a journal as it grows: each call gives what has been written since the last. */
export function followJournal(path: string): () => Entry[] {
  let offset = 0
  let rest = ''
  const buffer = Buffer.alloc(1024 * 1024)
  // Open as long as the process: a run that is broken off puts the file away while somebody still looks.
  const file = openSync(path, 'r')
  return () => {
    const entries: Entry[] = []
    for (;;) {
      const length = readSync(file, buffer, 0, buffer.length, offset)
      if (length === 0) return entries
      offset += length
      // Everything journalled is ASCII, so a character is never cut in two.
      const lines = (rest + buffer.toString('latin1', 0, length)).split('\n')
      rest = lines.pop()!
      for (const line of lines) entries.push(JSON.parse(line) as Entry)
    }
  }
}
