import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { uuidv7 } from 'uuidv7'
import { insertMailing } from '../../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../../shared/postgres/pool.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { fanOutJob } from '../../../shared/queues/jobs.ts'
import type { Wake } from '../../../shared/queues/wake.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import {
  findReceivedWebhook,
  insertReceivedWebhook,
  lockWebhookId,
} from '../../../shared/release/received-webhook.sql.ts'
import { findByExternalId, insertRelease } from '../../../shared/release/release.sql.ts'
import type { Release, ReleaseContent, ReleaseId } from '../../../shared/release/release.ts'
import { type ReleaseWebhook, readReleaseWebhook } from './release-payload.ts'

export type PublishDeps = { readonly pool: Pool; readonly wake: Wake; readonly now: () => Date }

/** What a publisher is told: what is now owed, and what will happen. */
export type PublishAnswer = {
  readonly releaseId: string
  readonly revision: number
  readonly mailing: { readonly id: string; readonly state: string }
  readonly detail: string
}

/**
 * Accepts a signed webhook: in one transaction the release, its revision, its mailing and the answer itself, so that a
 * repeat, also in parallel, also years later within the retention, gets the same answer and owes nothing twice.
 */
export async function publishRelease(
  deps: PublishDeps,
  newsroom: Newsroom,
  webhookId: string,
  rawBody: Buffer,
): Promise<PublishAnswer> {
  const bodyHash = createHash('sha256').update(rawBody).digest()
  const { answer, isNew } = await inTransaction(deps.pool, async (tx) => {
    await lockWebhookId(tx, newsroom.id, webhookId)
    const earlier = await findReceivedWebhook(tx, newsroom.id, webhookId)
    if (earlier) {
      if (!earlier.bodyHash.equals(bodyHash)) throw new Refusal('WEBHOOK_ID_REUSED')
      return { answer: earlier.answer as PublishAnswer, isNew: false }
    }
    const release = readRelease(newsroom, rawBody)
    const now = deps.now()
    const created = await insertRelease(tx, release, now)
    const fresh = created
      ? tell(
          release,
          await insertMailing(tx, {
            newsroomId: newsroom.id,
            kind: 'release',
            releaseId: release.id,
            revision: 1,
            dueAt: release.publishedAt,
          }),
        )
      : await answerForTheSame(tx, release)
    await insertReceivedWebhook(tx, newsroom.id, webhookId, { bodyHash, status: 202, answer: fresh }, now)
    return { answer: fresh, isNew: created !== null }
  })
  if (isNew && answer.mailing.state === 'accepted') deps.wake('fan-out', [fanOutJob(answer.mailing.id as MailingId, 0)])
  return answer
}

function readRelease(newsroom: Newsroom, rawBody: Buffer): Release {
  const read = readReleaseWebhook(parseJson(rawBody), newsroom.languages)
  if ('faults' in read) throw new Refusal('BODY_NOT_VALID', read.faults)
  const { data } = read.webhook
  return {
    id: uuidv7() as ReleaseId,
    newsroomId: newsroom.id,
    externalId: data.externalId,
    revision: 1,
    kind: 'release',
    publishedAt: read.publishedAt,
    zone: data.zone,
    content: contentOf(data),
  }
}

function parseJson(rawBody: Buffer): unknown {
  try {
    // Broken UTF-8 would otherwise be mended silently, and readers would get the mended text.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(rawBody))
  } catch {
    throw new Refusal('BODY_NOT_JSON')
  }
}

const contentOf = ({ languages, contacts, images, documents, links }: ReleaseWebhook['data']) =>
  ({ languages, contacts, images, documents, links }) as ReleaseContent

/** The same release under another webhook id, as when a publisher's system sends it again: owed already. */
async function answerForTheSame(tx: Parameters<typeof findByExternalId>[0], release: Release): Promise<PublishAnswer> {
  const known = await findByExternalId(tx, release.newsroomId, release.externalId)
  const same =
    known?.mailing != null &&
    known.release.revision === 1 &&
    known.release.publishedAt.getTime() === release.publishedAt.getTime() &&
    isDeepStrictEqual(known.release.content, JSON.parse(JSON.stringify(release.content)))
  if (!same)
    throw new Refusal('RELEASE_ALREADY_PUBLISHED', [
      { pointer: '/data/externalId', detail: 'Known, with other content.' },
    ])
  return tell(known.release, known.mailing!)
}

const tell = (release: Release, { id, state }: { id: string; state: string }): PublishAnswer => ({
  releaseId: release.id,
  revision: release.revision,
  mailing: { id, state },
  detail:
    state === 'embargoed'
      ? `Accepted. Under embargo: letters leave at ${release.publishedAt.toISOString()}.`
      : 'Accepted. Letters are leaving now.',
})
