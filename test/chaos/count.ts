import type { Ledger } from './ledger.ts'
import type { Published } from './publisher.ts'
import type { Answered, Reader } from './readers.ts'
import type { Tally } from './tally.ts'

export type Counts = {
  /** Letters owed: a release to each reader whose subscription was surely active when it was accepted. */
  readonly owed: number
  /** Of these, accepted by the mail host at least once. */
  readonly accepted: number
  /** Of these, ended otherwise for a reason that our own journals know: state → letters. */
  readonly endedOtherwise: Readonly<Record<string, number>>
  readonly lost: number
  /** Copies beyond the first. */
  readonly doubled: number
  /** Attempts that the installation itself counted as in doubt. */
  readonly inDoubt: number
  /** Copies that no attempt in doubt explains. */
  readonly excess: number
  readonly late: number
  readonly phantom: number
  /** The letters behind the figures that must be 0. */
  readonly culprits: readonly string[]
}

export type Evidence = {
  readonly releases: readonly Published[]
  readonly readers: ReadonlyMap<string, Reader>
  readonly tally: Tally
  readonly ledger: Ledger
}

export function countLetters(evidence: Evidence): Counts {
  const { releases, tally, ledger } = evidence
  const culprits: string[] = []
  const endedOtherwise: Record<string, number> = {}
  let [owed, accepted, lost, doubled, excess] = [0, 0, 0, 0, 0]

  for (const release of releases) {
    const copies = tally.copies.get(release.title)
    for (const reader of evidence.readers.values()) {
      if (standing(reader, release.accepted, tally) !== 'owed') continue
      owed += 1
      if (copies?.has(reader.address)) {
        accepted += 1
        continue
      }
      const state = ledger.stateOf(release.mailings[0]!, reader.address)
      if (hasReason(state, reader, tally)) endedOtherwise[state] = (endedOtherwise[state] ?? 0) + 1
      else {
        lost += 1
        culprits.push(`lost: ${release.title} to ${reader.address}, which the ledger calls ${state}`)
      }
    }
    for (const [address, begun] of copies ?? []) {
      doubled += begun.length - 1
      const unexplained = countUnexplained(begun, ledger.doubtsOf(release.mailings[0]!, address))
      excess += unexplained
      if (unexplained > 0) culprits.push(`excess: ${release.title} to ${address}, ${begun.length} copies`)
    }
  }
  // A sum is less than its parts only where doubts were written down and not counted, or counted twice.
  excess = Math.max(excess, doubled - ledger.doubted)
  const phantoms = [...listPhantoms(evidence), ...tally.misnamed.map((letter) => `${letter}, under another Message-ID`)]
  culprits.push(...tally.late.map((to) => `late: to ${to}`), ...phantoms.map((letter) => `phantom: ${letter}`))
  return {
    owed,
    accepted,
    endedOtherwise,
    lost,
    doubled,
    inDoubt: ledger.doubted,
    excess,
    late: tally.late.length,
    phantom: phantoms.length,
    culprits,
  }
}

type Standing = 'owed' | 'not-owed' | 'perhaps'

/**
 * Whether a release was owed to a reader, as far as anybody outside can say: what overlapped the acceptance may have
 * come before it or after it.
 */
function standing(reader: Reader, accepted: Answered, tally: Tally): Standing {
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

/** A named end is believed only where our own journals know the reason for it. */
function hasReason(state: string, reader: Reader, tally: Tally): boolean {
  const refusal = tally.refusals.get(reader.address)
  const isUnknown = refusal !== undefined && refusal.code >= 500
  switch (state) {
    case 'opted_out':
      return reader.left !== null || isUnknown
    case 'bounced':
    case 'suppressed':
      return isUnknown
    case 'failed':
      return refusal !== undefined
    default:
      return false
  }
}

/**
 * Copies that no doubt explains. An attempt in doubt explains one copy that had begun before the doubt was written
 * down; so among the copies begun after any instant there may be one, and one more for each doubt after that instant.
 */
function countUnexplained(begun: readonly number[], doubts: readonly number[]): number {
  let most = 0
  for (const since of [0, ...doubts]) {
    const copies = begun.filter((at) => at > since).length
    const allowed = 1 + doubts.filter((at) => at > since).length
    most = Math.max(most, copies - allowed)
  }
  return most
}

function listPhantoms({ releases, readers, tally }: Evidence): string[] {
  const byTitle = new Map(releases.map((release) => [release.title, release]))
  return [...tally.copies].flatMap(([title, letters]) =>
    [...letters.keys()]
      .filter((address) => {
        const [release, reader] = [byTitle.get(title), readers.get(address)]
        return !release || !reader || standing(reader, release.accepted, tally) === 'not-owed'
      })
      .map((address) => `${title} to ${address}`),
  )
}
