import type { Published } from './publisher.ts'
import type { Reader } from './readers.ts'
import type { Tally } from './tally.ts'

export type Standing = 'owed' | 'not-owed' | 'perhaps'

/**
 * Whether something told was owed to a reader, as far as anybody outside can say: what overlapped the acceptance may
 * have come before it or after it.
 */
export function standing(told: Published, reader: Reader, tally: Tally): Standing {
  const ofAll = followed(told, reader, tally)
  // Who reads digests is owed a letter of its own where something they have is taken back, and else none.
  if (told.kind !== 'withdrawal') return reader.readsDigests ? 'not-owed' : ofAll
  if (ofAll === 'not-owed') return ofAll
  // Who has the release is told that it is taken back, and nobody else: but who cannot have it is for the house to say,
  // of a letter that was on its way or in doubt.
  const earlier = listEarlier(told)
  if (earlier.some(({ title }) => [tally.copies, tally.inDigests].some((all) => all.get(title)?.has(reader.address))))
    return ofAll
  return earlier.some((one) => mayHaveBegun(one, told) && followed(one, reader, tally) !== 'not-owed')
    ? 'perhaps'
    : 'not-owed'
}

/** The revisions before it, the last first. */
export function listEarlier(told: Published): Published[] {
  const earlier: Published[] = []
  for (let one = told.replaces; one !== null; one = one.replaces) earlier.push(one)
  return earlier
}

/** What is withdrawn before its hour was never sent, and nobody hears of it. */
const mayHaveBegun = ({ hour }: Published, by: Published) => hour === null || hour < by.accepted.answered

function followed({ accepted }: Published, reader: Reader, tally: Tally): Standing {
  const { follows, left } = reader
  if (follows === null) return 'not-owed'
  if (follows !== 'from-the-start') {
    if (follows.asked > accepted.answered) return 'not-owed'
    if (follows.answered >= accepted.asked) return 'perhaps'
  }
  if (left !== null && left.asked <= accepted.answered)
    return left.answered !== null && left.answered < accepted.asked ? 'not-owed' : 'perhaps'
  // An address refused for good has lost its subscription, too.
  const refusal = tally.refusals.get(reader.address)
  return refusal !== undefined && refusal.code >= 500 && refusal.at <= accepted.answered ? 'perhaps' : 'owed'
}
