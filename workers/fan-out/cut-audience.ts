import { cutChunks, type WakeableChunk } from '../../shared/delivery/chunk.sql.ts'
import type { Language } from '../../shared/language/language.ts'
import { packPrepared } from '../../shared/letter/pack.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import type { Log } from '../../shared/log/log.ts'
import { beginWalk, findMailing, finishMailings, moveWalk } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { insertRendering, listRenderings } from '../../shared/mailing/rendering.sql.ts'
import { findNewsroomById } from '../../shared/newsroom/newsroom.sql.ts'
import { tryTurn } from '../../shared/postgres/advisory-lock.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { chunkJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { findRevision } from '../../shared/release/release.sql.ts'

export type FanOutDeps = {
  readonly pool: Pool
  readonly wake: Wake
  readonly log: Log
  readonly publicUrl: string
  readonly mailDomain: string
  readonly chunkSize: number
}

/**
 * Prepares a mailing's letters, once per language, and cuts its audience into chunks; the mailer is woken for each
 * stretch as it is committed, so the first letters leave while the last readers are still being cut. Run twice or
 * interrupted anywhere, it goes on where the committed walk stands.
 */
export async function cutAudience(deps: FanOutDeps, id: MailingId): Promise<void> {
  const started = performance.now()
  await prepareLetters(deps, id)
  let cut = 0
  for (;;) {
    const stretch = await inTransaction(deps.pool, async (tx) =>
      (await tryTurn(tx, 'fan-out', id)) ? cutStretch(deps, tx, id) : null,
    )
    if (stretch === null) return
    cut += stretch.chunks.length
    deps.wake('mail-bulk', stretch.chunks.map(chunkJob))
    if (stretch.done) break
  }
  await finishMailings(deps.pool, id)
  deps.log.info({ mailing: id, chunks: cut, ms: Math.round(performance.now() - started) }, 'audience cut')
}

/** Chunks cut in one transaction: enough that the walk costs little, few enough that the first ones leave soon. */
const chunksAtOnce = 50

async function prepareLetters(deps: FanOutDeps, id: MailingId): Promise<void> {
  const mailing = await findMailing(deps.pool, id)
  if (mailing?.releaseId == null || mailing.revision === null) return
  const [release, newsroom, ready] = await Promise.all([
    findRevision(deps.pool, mailing.releaseId, mailing.revision),
    findNewsroomById(deps.pool, mailing.newsroomId),
    listRenderings(deps.pool, id),
  ])
  if (!release || !newsroom) throw new Error(`mailing ${id} has lost its release or newsroom`)
  const done = new Set(ready.map((rendering) => rendering.language))
  for (const language of Object.keys(release.content.languages) as Language[]) {
    if (done.has(language)) continue
    const { publicUrl, mailDomain } = deps
    const prepared = await prepareReleaseLetter({ newsroom, release, language, publicUrl, mailDomain })
    await insertRendering(deps.pool, id, { language, subject: prepared.subject, ...packPrepared(prepared) })
  }
}

type Stretch = { readonly chunks: readonly WakeableChunk[]; readonly done: boolean }

/** The circle of subscriptions is walked from a place drawn for this mailing to the end, then from 0 back to it. */
async function cutStretch(deps: FanOutDeps, tx: Parameters<typeof tryTurn>[0], id: MailingId): Promise<Stretch | null> {
  const walk = await beginWalk(tx, id)
  if (walk === null) return null
  const { cut, last } = await cutChunks(tx, {
    mailingId: id,
    after: walk.after,
    upto: walk.wrapped ? walk.from : greatestId,
    firstN: walk.nextChunk,
    size: deps.chunkSize,
    chunks: chunksAtOnce,
  })
  const nextChunk = walk.nextChunk + cut.length
  if (last !== null) {
    await moveWalk(tx, id, { after: last, wrapped: walk.wrapped, nextChunk, done: false })
    return { chunks: cut, done: false }
  }
  await moveWalk(tx, id, { after: walk.wrapped ? walk.from : '0', wrapped: true, nextChunk, done: walk.wrapped })
  return { chunks: cut, done: walk.wrapped }
}

const greatestId = '9223372036854775807'
