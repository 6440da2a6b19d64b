import type { Pool } from '../../shared/postgres/pool.ts'
import { countUnexplained, type Evidence } from './count.ts'
import type { House } from './house.ts'
import type { Published } from './publisher.ts'
import type { Reader } from './readers.ts'
import { listEarlier } from './standing.ts'

/** Lets a day pass for the digests that were cut today: the next look of the clock's chore finds another due. False: none was. */
export async function passDay(pool: Pool): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update digest_cuts set day = date '1990-01-01' + id::int where ${isOfToday} and done_at is not null`,
  )
  return (rowCount ?? 0) > 0
}

/** Of the newsroom whose days pass; the other one has no readers of digests. */
const isOfToday = `day > '2000-01-01' and frequency = 'daily'
                     and newsroom_id in (select id from newsrooms where digest_hour = 0)`

/** Milliseconds. The chore looks every twenty seconds. */
const patience = 90_000

/** A last digest, of all that has been told by now: resolves when its letters have ended. False: none was cut. */
export async function cutLastDigest({ pool }: Pick<House, 'pool'>, letEnd: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + patience
  const isCut = async () => {
    const { rows } = await pool.query(`select from digest_cuts where ${isOfToday} and done_at is not null`)
    return rows.length > 0
  }
  // One that was opened before the last release was numbered may not tell of it.
  while (!(await isCut())) if (!(await rest(deadline))) return false
  await passDay(pool)
  while (!(await isCut())) if (!(await rest(deadline))) return false
  await letEnd()
  return true
}

async function rest(deadline: number): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 200))
  return performance.now() < deadline
}

export type DigestCounts = {
  readonly owed: number
  readonly accepted: number
  /** Not told to whom a digest that may have told it stays in doubt: only our own tables could tell what stood in it. */
  readonly inDoubt: number
  readonly lost: readonly string[]
  readonly doubled: number
  readonly excess: readonly string[]
  readonly phantom: readonly string[]
  readonly untold: readonly string[]
  readonly untimely: readonly string[]
}

/**
 * What readers of digests were owed, by the same rules as everybody: each release once, in its newest text, unless it was taken back or
 * stopped. Whoever left or was refused by their host is not counted as owed.
 */
export function countDigests({ told, readers, tally, ledger, cancelled }: Evidence): DigestCounts {
  const byTitle = new Map(told.map((one) => [one.title, one]))
  const replaced = new Set(told.map(({ replaces }) => replaces))
  const newest = told.filter(
    (one) => !replaced.has(one) && one.kind !== 'withdrawal' && !cancelled.has(one.mailings[0]!),
  )
  const ofReleases = new Set(told.flatMap(({ mailings }) => mailings))
  const kept = ledger.doubts.filter(
    ({ mailing, address }) => !ofReleases.has(mailing) && ledger.endOf(mailing, address).state === 'in_doubt',
  )
  const inDoubt = new Set(kept.map(({ address }) => address))
  const counts = { owed: 0, accepted: 0, inDoubt: 0, lost: [] as string[], doubled: 0, excess: [] as string[] }
  const listed = { phantom: [] as string[], untold: [] as string[], untimely: [] as string[] }

  for (const reader of readers.values()) {
    if (!isSteady(reader) || (tally.refusals.get(reader.address)?.code ?? 0) >= 500) continue
    for (const one of newest) {
      counts.owed += 1
      if (tally.inDigests.get(one.title)?.has(reader.address)) counts.accepted += 1
      else if (inDoubt.has(reader.address)) counts.inDoubt += 1
      else counts.lost.push(`${one.title} to ${reader.address}, in a digest`)
    }
  }
  /** Each digest once, however many releases it told. */
  const copiesOf = new Map<string, { readonly begun: readonly number[]; readonly doubts: readonly number[] }>()
  for (const [title, letters] of tally.inDigests) {
    const one = byTitle.get(title)
    for (const [address, copies] of letters) {
      const letter = `${title} to ${address}, in a digest`
      const mailings = new Set(copies.map(({ mailing }) => mailing))
      for (const mailing of mailings) {
        const begun = copies.flatMap((copy) => (copy.mailing === mailing ? [copy.begunAt] : []))
        copiesOf.set(`${mailing} ${address}`, { begun, doubts: ledger.doubtsOf(mailing, address) })
      }
      // Told again where the digest that told it first was in doubt, and another was dealt in its place.
      const earlier = [...mailings].slice(0, -1)
      if (earlier.some((mailing) => ledger.doubtsOf(mailing, address).length === 0)) counts.excess.push(letter)
      if (!one || !readers.get(address)?.readsDigests) listed.phantom.push(letter)
      else {
        if (copies.some(({ begunAt }) => begunAt < (one.hour ?? 0))) listed.untimely.push(`${letter}, before its hour`)
        if (isUntold(one, address, copies, tally.inDigests)) listed.untold.push(letter)
      }
    }
  }
  for (const [digest, { begun, doubts }] of copiesOf) {
    counts.doubled += begun.length - 1
    if (countUnexplained(begun, doubts) > 0) counts.excess.push(`digest ${digest}, ${begun.length} copies`)
  }
  return { ...counts, ...listed }
}

const isSteady = ({ readsDigests, follows, left }: Reader) =>
  readsDigests && follows === 'from-the-start' && left === null

/** Whether a corrected text came to who had an earlier one, and did not say that it is a correction. */
function isUntold(
  one: Published,
  address: string,
  copies: readonly { readonly begunAt: number; readonly isCorrection: boolean }[],
  inDigests: Evidence['tally']['inDigests'],
): boolean {
  const first = copies.reduce((a, b) => (a.begunAt <= b.begunAt ? a : b))
  const hadBefore = listEarlier(one).some(({ title }) =>
    inDigests
      .get(title)
      ?.get(address)
      ?.some(({ begunAt }) => begunAt < first.begunAt),
  )
  return hadBefore && !first.isCorrection
}
