import type { Language } from '../language/language.ts'
import type { PreparedLetter, Slot } from './letter.ts'

/** Where the reader's values go in a stored letter: the length of each segment, and the slot after it. */
export type Cuts = { readonly lengths: readonly number[]; readonly slots: readonly Slot[] }

/** A prepared letter as table `renderings` keeps it. */
export const packPrepared = ({ segments, slots }: PreparedLetter): { body: Buffer; cuts: Cuts } => ({
  body: Buffer.concat(segments),
  cuts: { lengths: segments.map((segment) => segment.length), slots },
})

/** The same letter again, its segments views of the stored bytes. */
export function unpackPrepared(row: {
  language: Language
  subject: string
  body: Buffer
  cuts: unknown
}): PreparedLetter {
  const { lengths, slots } = row.cuts as Cuts
  const segments: Buffer[] = []
  let start = 0
  for (const length of lengths) {
    segments.push(row.body.subarray(start, start + length))
    start += length
  }
  return { language: row.language, subject: row.subject, segments, slots }
}
