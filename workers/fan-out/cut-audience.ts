import { setTimeout } from 'node:timers/promises'
import { cutChunks, dueChunksOf, type WakeableChunk } from '../../shared/delivery/chunk.sql.ts'
import { closeDigestMailings, openDigestMailing } from '../../shared/mailing/digest-mailing.sql.ts'
import { beginWalk, findMailing, finishMailings, moveWalk, readWalk } from '../../shared/mailing/mailing.sql.ts'
import type { Mailing, MailingId } from '../../shared/mailing/mailing.ts'
import { type Tx, tryTurn } from '../../shared/postgres/advisory-lock.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { walking } from '../../shared/postgres/walk.ts'
import { chunkJob, fanOutJob } from '../../shared/queues/jobs.ts'
import { type PrepareDeps, prepareLetters } from './prepare-letters.ts'
import { type TryDeps, tryOnce } from './try-once.ts'

export type FanOutDeps = PrepareDeps &
  TryDeps & {
    readonly chunkSize: number
    /**
     * Milliseconds for which one audience is cut before others have a turn: a million readers take several such turns, and a release of
     * another newsroom is prepared between two of them.
     */
    readonly longestTurn: number
    /** True once the process is to stop: the stretch under way is committed, and another process goes on from there. */
    readonly stopping: () => boolean
  }

/**
 * Prepares a mailing's letters, once per language, and cuts its audience into chunks; the mailer is woken for each
 * stretch as it is committed, so the first letters leave while the last readers are still being cut. Run twice or
 * interrupted anywhere, it goes on where the committed walk stands. Until the walk has begun, what comes in between is
 * written down and the mailing rests; see `try-once.ts`.
 */
export async function cutAudience(deps: FanOutDeps, id: MailingId): Promise<void> {
  // A worker that is closing may still take a job that comes while it waits for one.
  if (deps.stopping()) return
  const mailing = await findMailing(deps.pool, id)
  if (mailing === null || !fanOutStates.includes(mailing.state)) return
  const prepare = () => prepareLetters(deps, mailing)
  const goOn = () => fanOut(deps, mailing)
  if (mailing.state === 'accepted') return tryOnce(deps, id, { prepare, goOn })
  await prepare()
  await goOn()
}

async function fanOut(deps: FanOutDeps, mailing: Mailing): Promise<void> {
  const { id } = mailing
  if (mailing.kind === 'digest') return openDigest(deps, mailing)
  const started = performance.now()
  let walkOf = mailing.state === 'cutting' ? readWalk : beginWalk
  for (;;) {
    const began = performance.now()
    const stretch = await inTransaction(deps.pool, async (tx) =>
      (await tryTurn(tx, 'fan-out', id)) ? cutStretch(deps, tx, id, walkOf) : null,
    )
    if (stretch === null) return
    walkOf = readWalk
    deps.wake('mail-bulk', stretch.chunks.map(chunkJob))
    if (stretch.done) {
      deps.log.info({ mailing: id, chunks: stretch.cut }, 'audience cut')
      break
    }
    if (deps.stopping()) return
    if (performance.now() - started > deps.longestTurn) return deps.wake('fan-out', [fanOutJob(id, Date.now())])
    // Cutting is far ahead of sending at once, so the database has every other moment for claims and for the doors.
    // A stretch that took long waited for a database that was away: no reason to wait once more.
    await setTimeout(Math.min(performance.now() - began, 500))
  }
  await finishMailings(deps.pool, id)
}

/** Chunks cut in one transaction: enough that the walk costs little, few enough that the first ones leave soon. */
const chunksAtOnce = 50

/** What was stopped or is sent already needs no letters prepared. */
const fanOutStates: readonly Mailing['state'][] = ['embargoed', 'accepted', 'cutting']

/** A digest's audience was dealt when it was made; with its letters prepared, they may leave. */
async function openDigest(deps: FanOutDeps, { id }: Mailing): Promise<void> {
  await openDigestMailing(deps.pool, id)
  await closeDigestMailings(deps.pool)
  deps.wake('mail-bulk', (await dueChunksOf(deps.pool, id)).map(chunkJob))
}

/** `cut`: how many chunks the mailing has by now. */
type Stretch = { readonly chunks: readonly WakeableChunk[]; readonly cut: number; readonly done: boolean }

/**
 * The circle of subscriptions is walked from a place drawn for this mailing to the end, then from 0 back to it. The mailing's row is
 * taken only once the stretch is cut, but for the first: by a process that was frozen in between, letters already cut would be kept
 * waiting.
 */
async function cutStretch(deps: FanOutDeps, tx: Tx, id: MailingId, walkOf: typeof readWalk): Promise<Stretch | null> {
  const walk = await walkOf(tx, id)
  if (walk === null) return null
  const stretch = {
    mailingId: id,
    after: walk.after,
    upto: walk.wrapped ? walk.from : greatestId,
    firstN: walk.nextChunk,
    size: deps.chunkSize,
    chunks: chunksAtOnce,
  }
  const { cut, last } = await walking(tx, () => cutChunks(tx, stretch))
  const nextChunk = walk.nextChunk + cut.length
  if (last !== null) {
    await moveWalk(tx, id, { after: last, wrapped: walk.wrapped, nextChunk, done: false })
    return { chunks: cut, cut: nextChunk, done: false }
  }
  await moveWalk(tx, id, { after: walk.wrapped ? walk.from : '0', wrapped: true, nextChunk, done: walk.wrapped })
  return { chunks: cut, cut: nextChunk, done: walk.wrapped }
}

const greatestId = '9223372036854775807'
