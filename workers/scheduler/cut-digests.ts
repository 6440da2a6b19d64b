import { createHash } from 'node:crypto'
import { dealDeliveries, readersLeft } from '../../shared/delivery/deal.sql.ts'
import { type DigestCutId, digestFrequencies } from '../../shared/digest/digest.ts'
import { type DealtContent, listContents, listReplacingContents } from '../../shared/digest/digest-contents.sql.ts'
import {
  closeCut,
  type DigestCut,
  listDigestHours,
  listOpenCuts,
  lockCut,
  moveCut,
  openCut,
} from '../../shared/digest/digest-cut.sql.ts'
import { uncutDay } from '../../shared/digest/digest-day.ts'
import { findDigest, insertDigest } from '../../shared/digest/digest-items.sql.ts'
import { numberMailings, unnumberedNewsrooms, unnumberPaused } from '../../shared/digest/digest-line.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { closeDigestMailings, insertDigestMailing } from '../../shared/mailing/digest-mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { NewsroomId } from '../../shared/newsroom/newsroom.ts'
import { holdDigestLine, holdDigestTexts, type Tx, tryTurn } from '../../shared/postgres/advisory-lock.ts'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { walking } from '../../shared/postgres/walk.ts'
import { fanOutJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { lockDigestReaders, lockReaders, moveCursors } from '../../shared/subscription/digest-readers.sql.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'

export type CutDigestsDeps = {
  readonly pool: Pool
  readonly wake: Wake
  readonly log: Log
  readonly now: () => Date
  readonly chunkSize: number
  /** Readers dealt in one transaction. */
  readonly readersAtOnce: number
  readonly stopping: () => boolean
}

/** How long one turn may take, in milliseconds; the chore's own transaction must not stay idle for longer. */
const turn = 15_000

/**
 * Opens the cuts whose hour has come and goes on with those that are open, a batch of readers a transaction. Stopped or
 * broken anywhere it goes on where the committed walk stands; an hour missed while everything was down is caught up
 * with once, however many were missed.
 */
export async function cutDigests(deps: CutDigestsDeps): Promise<void> {
  await openDueCuts(deps)
  await walk(deps, await listOpenCuts(deps.pool))
  await closeDigestMailings(deps.pool)
}

async function openDueCuts(deps: CutDigestsDeps): Promise<void> {
  for (const newsroom of await unnumberedNewsrooms(deps.pool)) await numberInTurn(deps, newsroom)
  for (const newsroom of await listDigestHours(deps.pool))
    for (const frequency of digestFrequencies) {
      const about = { newsroom: newsroom.newsroomId, frequency }
      try {
        const due = uncutDay(newsroom, frequency, deps.now())
        if (due === null) continue
        const isOpened = await inTransaction(deps.pool, async (tx) => {
          await holdDigestLine(tx, newsroom.newsroomId)
          await unnumberPaused(tx, newsroom.newsroomId)
          await numberMailings(tx, newsroom.newsroomId)
          return openCut(tx, newsroom.newsroomId, frequency, due)
        })
        if (isOpened) deps.log.info({ ...about, day: due.day }, 'digests are cut')
      } catch (err) {
        // What breaks one newsroom's hour must not hold up the others.
        deps.log[levelOf(err)]({ err, ...about }, 'a cut of digests was broken off')
      }
    }
}

/** Where somebody else has the line, they number it, or the next turn does; and what breaks it, its own cut will tell. */
async function numberInTurn({ pool, log }: CutDigestsDeps, newsroom: NewsroomId): Promise<void> {
  try {
    await inTransaction(pool, async (tx) => {
      if (await tryTurn(tx, 'digest-line', newsroom)) await numberMailings(tx, newsroom)
    })
  } catch (err) {
    log.warn({ err, newsroom }, 'a cut of digests was broken off')
  }
}

/** The cuts take turns, a batch each, so that a small newsroom does not wait for the last reader of a large one. */
async function walk(deps: CutDigestsDeps, cuts: readonly { id: DigestCutId; newsroomId: NewsroomId }[]): Promise<void> {
  const until = performance.now() + turn
  let [readers, digests] = [0, 0]
  for (let open = cuts; open.length > 0; ) {
    const unfinished: (typeof open)[number][] = []
    for (const cut of open) {
      if (performance.now() > until || deps.stopping()) return
      const step = await takeStepSafely(deps, cut)
      readers += step.readers
      digests += step.made
      const jobs = step.mailings.map((id) => fanOutJob(id, deps.now().getTime(), 'digest'))
      deps.wake('fan-out', jobs)
      if (step.more) unfinished.push(cut)
    }
    open = unfinished
  }
  if (readers > 0) deps.log.info({ readers, digests }, 'digests were dealt')
}

/** A database that is away is nobody's mistake, and the next turn does what this one could not. */
const levelOf = (err: unknown) => (isDatabaseAway(err) ? 'warn' : 'error')

/** What breaks one newsroom's cut must not hold up the others; the batch is undone, and its next turn tries it again. */
async function takeStepSafely(deps: CutDigestsDeps, cut: { id: DigestCutId; newsroomId: NewsroomId }): Promise<Step> {
  try {
    return await inTransaction(deps.pool, (tx) => takeStep(deps, tx, cut))
  } catch (err) {
    deps.log[levelOf(err)]({ err, cut: cut.id, newsroom: cut.newsroomId }, 'a cut of digests was broken off')
    return nothing
  }
}

type Step = Dealt & { readonly more: boolean; readonly readers: number }
type Dealt = { readonly mailings: readonly MailingId[]; readonly made: number }
const nothing: Step = { more: false, readers: 0, mailings: [], made: 0 }

/** One batch of readers: all of it is committed, or nothing. */
async function takeStep(
  deps: CutDigestsDeps,
  tx: Tx,
  { id, newsroomId }: { id: DigestCutId; newsroomId: NewsroomId },
): Promise<Step> {
  await holdDigestTexts(tx, newsroomId, 'read')
  const cut = await lockCut(tx, id)
  if (cut === null) return nothing
  if (cut.replaces !== null) return replace(deps, tx, cut, cut.replaces)
  const { frequency, head, reached } = cut
  const readers = await walking(tx, () => lockDigestReaders(tx, newsroomId, frequency!, reached, deps.readersAtOnce))
  const dealt = await deal(deps, tx, cut, await listContents(tx, cut, readers))
  await moveCursors(tx, readers, head!)
  if (readers.length < deps.readersAtOnce) await closeCut(tx, id)
  else await moveCut(tx, id, readers.at(-1)!)
  return { more: readers.length === deps.readersAtOnce, readers: readers.length, ...dealt }
}

/** The readers of one chunk of a digest that was replaced, once nothing of it can still be sent. */
async function replace(deps: CutDigestsDeps, tx: Tx, cut: DigestCut, replaced: MailingId): Promise<Step> {
  const left = await readersLeft(tx, replaced, cut.reached)
  if (left === null) {
    await closeCut(tx, cut.id)
    return nothing
  }
  if (!left.isDone) return nothing
  const readers: readonly SubscriptionId[] = await lockReaders(tx, left.readers, replaced)
  const dealt = await deal(deps, tx, cut, await listReplacingContents(tx, replaced, readers))
  await moveCut(tx, cut.id, String(Number(cut.reached) + 1))
  return { more: true, readers: readers.length, ...dealt }
}

async function deal(deps: CutDigestsDeps, tx: Tx, cut: DigestCut, contents: readonly DealtContent[]): Promise<Dealt> {
  const mailings: MailingId[] = []
  let made = 0
  for (const { items, readers } of contents) {
    const contentsHash = createHash('sha256').update(JSON.stringify(items)).digest('hex')
    let mailingId = await findDigest(tx, cut.id, contentsHash)
    if (mailingId === null) {
      mailingId = await insertDigestMailing(tx, { newsroomId: cut.newsroomId, dueAt: cut.hourAt, paused: cut.paused })
      await insertDigest(tx, { mailingId, cutId: cut.id, contentsHash, items })
      made += 1
    }
    await dealDeliveries(tx, mailingId, readers, deps.chunkSize)
    mailings.push(mailingId)
  }
  return { mailings, made }
}
