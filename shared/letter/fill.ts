import type { PreparedLetter, ReaderSlots, Slot } from './letter.ts'

/**
 * One reader's letter: the shared bytes with the reader's own between. Runs once for every letter sent, so what can be
 * known beforehand is: neighbouring small pieces are written as one buffer, large ones are shared and never copied.
 */
export function fillLetter(prepared: PreparedLetter, reader: ReaderSlots): Buffer[] {
  const parts: Buffer[] = []
  for (const part of planOf(prepared)) {
    if (Buffer.isBuffer(part)) parts.push(part)
    else {
      let small = ''
      for (const { slot, after } of part) small += reader[slot] + after
      parts.push(Buffer.from(small))
    }
  }
  return parts
}

/** Up to here a segment is cheaper copied into the reader's own buffer than handed to the socket by itself. */
const smallest = 1024

type Run = readonly { readonly slot: Slot; readonly after: string }[]

const plans = new WeakMap<PreparedLetter, readonly (Buffer | Run)[]>()

function planOf(prepared: PreparedLetter): readonly (Buffer | Run)[] {
  const known = plans.get(prepared)
  if (known) return known
  const plan: (Buffer | Run)[] = [prepared.segments[0]!]
  let run: { slot: Slot; after: string }[] = []
  prepared.slots.forEach((slot, index) => {
    const segment = prepared.segments[index + 1]!
    const small = segment.length <= smallest
    run.push({ slot, after: small ? segment.toString() : '' })
    if (small) return
    plan.push(run, segment)
    run = []
  })
  if (run.length > 0) plan.push(run)
  plans.set(prepared, plan)
  return plan
}
