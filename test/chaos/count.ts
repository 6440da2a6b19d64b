import { waitAfterVanishing } from '../../shared/mailing/trouble.ts'
import { countDigests } from './digests.ts'
import type { Ledger } from './ledger.ts'
import type { Published } from './publisher.ts'
import type { Reader } from './readers.ts'
import { awayWithin, lastBackBefore, type Outage, type Span } from './recovery.ts'
import { listEarlier, standing } from './standing.ts'
import type { Disturbed } from './takeover.ts'
import type { Late, Tally } from './tally.ts'

export type Counts = {
  /** Letters owed: what was told to each reader whose subscription was surely active when it was accepted. */
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
  /** MAIL FROMs with nothing after them that a frozen process had been about to write: see `partLate`. */
  readonly bare: number
  readonly phantom: number
  /** Corrections that do not say so, to readers who had the text they correct. */
  readonly untold: number
  /** Letters to an address that the mail host had long refused for good. */
  readonly toGone: number
  /** Attempts held to be in doubt of which the mail host heard no beginning, where all workers share one journal. */
  readonly unheard: number
  /** Attempts that the installation itself counted although the mail host could not be reached. */
  readonly burnt: number
  /** Releases of which a letter began before their hour, or none for too long after it. */
  readonly untimely: number
  /** The letters behind the figures that must be 0. */
  readonly culprits: readonly string[]
}

export type Evidence = {
  readonly told: readonly Published[]
  readonly readers: ReadonlyMap<string, Reader>
  readonly tally: Tally
  readonly ledger: Ledger
  readonly outages: readonly Outage[]
  /** When a workers process stood still. */
  readonly freezes: readonly Span[]
  /** What was in hand when one was killed or frozen. */
  readonly disturbed: readonly Disturbed[]
  /** Mailing → when an operator asked for it to be cancelled, where that was done. */
  readonly cancelled: ReadonlyMap<string, number>
  /** Letters that a reader had twice while those in doubt were kept for an operator. */
  readonly doubledWhileHeld: readonly string[]
  /** Whether every worker can read what any of them had handed over. */
  readonly hasOneJournal: boolean
}

/** Milliseconds after which what the mail host has said of an address must be known, and an hour have been heeded. */
const soon = 15_000
/**
 * The same for an hour, whatever happened in between: 18 s were seen, with all parts away one after another. Beside it is what
 * a release rests for over which workers are killed, because it may be the reason; that is in no run to be believed for long.
 */
const atLast = 30_000
const atLastWithRests = 60_000

export function countLetters(evidence: Evidence): Counts {
  const { told, readers, tally, ledger, cancelled } = evidence
  const culprits: string[] = []
  const endedOtherwise: Record<string, number> = {}
  const replacedAt = new Map(told.flatMap(({ replaces, accepted }) => (replaces ? [[replaces, accepted.asked]] : [])))
  let [owed, accepted, lost, doubled, excess] = [0, 0, 0, 0, 0]

  for (const one of told) {
    const copies = tally.copies.get(one.title)
    const stoppedAt = Math.min(replacedAt.get(one) ?? Infinity, cancelled.get(one.mailings[0]!) ?? Infinity)
    for (const reader of readers.values()) {
      if (standing(one, reader, tally) !== 'owed') continue
      owed += 1
      if (copies?.has(reader.address)) {
        accepted += 1
        continue
      }
      const { state, at } = ledger.endOf(one.mailings[0]!, reader.address)
      // What is in doubt as its mailing is stopped stays so: there is nothing left to decide.
      const staysInDoubt = state === 'in_doubt' && ledger.doubtsOf(one.mailings[0]!, reader.address).length > 0
      if (staysInDoubt ? stoppedAt < Infinity : hasReason(state, at, reader, tally, stoppedAt))
        endedOtherwise[state] = (endedOtherwise[state] ?? 0) + 1
      else {
        lost += 1
        culprits.push(`lost: ${one.title} to ${reader.address}, which the ledger calls ${state}`)
      }
    }
    for (const [address, begun] of copies ?? []) {
      doubled += begun.length - 1
      const unexplained = countUnexplained(begun, ledger.doubtsOf(one.mailings[0]!, address))
      excess += unexplained
      if (unexplained > 0) culprits.push(`excess: ${one.title} to ${address}, ${begun.length} copies`)
    }
  }
  const digests = countDigests(evidence)
  owed += digests.owed
  accepted += digests.accepted
  if (digests.inDoubt > 0) endedOtherwise.in_doubt = (endedOtherwise.in_doubt ?? 0) + digests.inDoubt
  lost += digests.lost.length
  doubled += digests.doubled
  excess += digests.excess.length
  culprits.push(...digests.lost.map((one) => `lost: ${one}`), ...digests.excess.map((one) => `excess: ${one}`))
  // A sum is less than its parts only where doubts were written down and not counted, or counted twice.
  excess = Math.max(excess, doubled - ledger.doubted)
  excess += evidence.doubledWhileHeld.length
  culprits.push(...evidence.doubledWhileHeld.map((letter) => `excess: ${letter}, while letters in doubt were kept`))
  const { late, bare } = partLate(evidence)
  const found = {
    late,
    phantom: [...listPhantoms(evidence), ...tally.misnamed, ...digests.phantom],
    untold: [...listUntold(evidence), ...digests.untold],
    toGone: listToGone(evidence),
    unheard: listUnheard(evidence),
    untimely: [...listUntimely(evidence), ...digests.untimely],
  }
  for (const [counter, letters] of Object.entries(found))
    culprits.push(...letters.map((letter) => `${counter}: ${letter}`))
  return {
    ...{ owed, accepted, endedOtherwise, lost, doubled, inDoubt: ledger.doubted, excess },
    late: found.late.length,
    bare,
    phantom: found.phantom.length,
    untold: found.untold.length,
    toGone: found.toGone.length,
    unheard: found.unheard.length,
    untimely: found.untimely.length,
    burnt: ledger.burnt,
    culprits,
  }
}

/** A named end is believed only where our own journals know the reason for it, and that it was one by then. */
function hasReason(state: string, at: number, reader: Reader, tally: Tally, stoppedAt: number): boolean {
  const refusal = tally.refusals.get(reader.address)
  const isBefore = (reason: number | undefined) => reason !== undefined && reason < Infinity && reason <= at + early
  const isGone = refusal !== undefined && refusal.code >= 500 && isBefore(refusal.at)
  switch (state) {
    case 'opted_out':
      return isBefore(reader.left?.asked) || isGone
    case 'bounced':
    case 'suppressed':
      return isGone
    case 'withdrawn':
    case 'nothing at all':
      return isBefore(stoppedAt)
    // `failed` has none: no mail host here refuses for as long as the retry window, and none that is away spends a try.
    default:
      return false
  }
}

/** Milliseconds. A letter is closed by what is committed as it is asked, at the hour its transaction began: a little earlier. */
const early = 15_000

/**
 * Copies that no doubt explains. An attempt in doubt explains one copy that had begun before the doubt was written
 * down; so among the copies begun after any instant there may be one, and one more for each doubt after that instant.
 */
export function countUnexplained(begun: readonly number[], doubts: readonly number[]): number {
  let most = 0
  for (const since of [0, ...doubts]) {
    const copies = begun.filter((at) => at > since).length
    const allowed = 1 + doubts.filter((at) => at > since).length
    most = Math.max(most, copies - allowed)
  }
  return most
}

function listPhantoms({ told, readers, tally }: Evidence): string[] {
  const byTitle = new Map(told.map((one) => [one.title, one]))
  return [...tally.copies].flatMap(([title, letters]) =>
    [...letters.keys()]
      .filter((address) => {
        const [one, reader] = [byTitle.get(title), readers.get(address)]
        return !one || !reader || standing(one, reader, tally) === 'not-owed'
      })
      .map((address) => `${title} to ${address}`),
  )
}

function listUntold({ told, tally }: Evidence): string[] {
  return told
    .filter(({ kind }) => kind === 'correction')
    .flatMap((one) => {
      const earlier = listEarlier(one).map(({ title }) => tally.copies.get(title))
      return [...(tally.copies.get(one.title)?.keys() ?? [])]
        .filter((address) => !tally.corrections.has(`${one.title} to ${address}`))
        .filter((address) => earlier.some((copies) => copies?.has(address)))
        .map((address) => `${one.title} to ${address}, who had an earlier text`)
    })
}

/**
 * Twice `soon`: the host's word may be lost with the process that heard it, and then comes again with the next try of
 * that letter.
 */
function listToGone({ told, tally, outages }: Evidence): string[] {
  const byMailing = new Map(told.flatMap((one) => one.mailings.map((mailing) => [mailing, one])))
  return tally.begunToGone.flatMap(({ to, mailing }) => {
    const one = mailing === null ? undefined : byMailing.get(mailing)
    if (!one) return []
    const [refused, asked] = [tally.refusals.get(to)!.at, one.accepted.asked]
    const known = asked - refused - awayWithin(refused, asked, outages) > 2 * soon
    return known ? [`${one.title} to ${to}, refused for good ${Math.round((asked - refused) / 1000)} s before`] : []
  })
}

/** A journal tells of each letter whether its text may have left; before that nothing is in doubt. */
function listUnheard({ tally, ledger, hasOneJournal }: Evidence): string[] {
  if (!hasOneJournal) return []
  return ledger.doubts
    .filter(({ mailing, address, at }) => (tally.begun.get(`${mailing} ${address}`) ?? Infinity) > at)
    .map(({ mailing, address }) => `mailing ${mailing} to ${address}`)
}

/**
 * Between the last look at the clock and the system call that writes a MAIL FROM there is nothing anybody can ask, and a
 * process frozen there writes it when it goes on, whatever has been answered meanwhile. It is one for each freeze, because
 * a process writes one at a time, and no text follows it.
 */
function partLate({ tally, freezes }: Pick<Evidence, 'tally' | 'freezes'>): { late: string[]; bare: number } {
  const unused = new Set(freezes)
  const late: string[] = []
  for (const one of tally.late) {
    const freeze = one.hasText ? undefined : [...unused].find((span) => hasCaught(span, one))
    if (freeze) unused.delete(freeze)
    else late.push(one.what)
  }
  return { late, bare: freezes.length - unused.size }
}

/** What was about to be written is the first thing to leave; a second is for a busy machine. */
const hasCaught = ({ from, to }: Span, { at, answer }: Late) => from < answer && to <= at && at < to + 1_000

/**
 * Work goes on within so long of what was away being back, and of whoever was at a release being killed: each of them begins
 * it anew. What waits although nothing of it happened, because others come first, has no such excuse.
 */
function listUntimely({ told, tally, outages, disturbed }: Evidence): string[] {
  return told.flatMap(({ title, hour, accepted, mailings }) => {
    const begun = tally.firstBegun.get(mailings[0]!)
    if (hour === null || begun === undefined) return []
    if (begun < hour) return [`${title} began ${Math.round(hour - begun)} ms before its hour`]
    const from = Math.max(hour, accepted.answered)
    const ofThis = disturbed.filter(({ mailing, at }) => mailing === mailings[0] && at < begun)
    // Of a process that is lost all it had in hand of a mailing is told.
    const losses = [...new Set(ofThis.map(({ at }) => at))]
    const rests = losses.reduce((sum, _, n) => sum + waitAfterVanishing(n + 1) * 1_000, 0)
    const last = Math.max(from, lastBackBefore(begun, outages) ?? 0, ...losses)
    const after = (start: number) => begun - start - awayWithin(start, begun, outages)
    if (after(last) <= soon && after(from) <= Math.min(atLast + rests, atLastWithRests)) return []
    const [seconds, since] = [after(from), after(last)].map((span) => Math.round(span / 1000))
    return [`${title} began ${seconds} s after its hour, ${since} s after the last thing that kept it`]
  })
}
