import type { PreparedLetter, ReaderSlots } from './letter.ts'

/**
 * One reader's letter: the shared bytes, with the reader's own values between. Runs once for every letter sent, so
 * nothing is copied: whoever writes it out copies each part once, to where it leaves from. The token stands in many
 * places, and encoding a string costs five times what copying its bytes does: it is made bytes once.
 */
export function fillLetter({ segments, slots }: PreparedLetter, reader: ReaderSlots): (Buffer | string)[] {
  const token = Buffer.from(reader.token, 'latin1')
  const parts: (Buffer | string)[] = []
  for (let at = 0; at < segments.length; at += 1) {
    parts.push(segments[at]!)
    const slot = slots[at]
    if (slot !== undefined) parts.push(slot === 'token' ? token : reader[slot])
  }
  return parts
}

/** The same as one piece, where a letter is to be looked at. */
export const letterBytes = (prepared: PreparedLetter, reader: ReaderSlots): Buffer =>
  Buffer.concat(fillLetter(prepared, reader).map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
