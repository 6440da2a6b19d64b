import { createHash } from 'node:crypto'
import { untilNothingReplacedMayBegin } from '../../../shared/delivery/may-still-begin.sql.ts'
import type { MailingId } from '../../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { Db, Pool } from '../../../shared/postgres/pool.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { fanOutJob } from '../../../shared/queues/jobs.ts'
import type { Wake } from '../../../shared/queues/wake.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import {
  findReceivedWebhook,
  insertReceivedWebhook,
  lockWebhookId,
} from '../../../shared/release/received-webhook.sql.ts'
import type { PublishAnswer } from './publish-answer.ts'
import { publishRelease } from './publish-release.ts'
import { type ReadWebhook, readReleaseWebhook } from './release-payload.ts'
import { correctRelease, withdrawRelease } from './revise-release.ts'

export type PublishDeps = { readonly pool: Pool; readonly wake: Wake; readonly now: () => Date }

/**
 * Accepts a signed webhook: in one transaction the release, its revision, its mailing and the answer itself, so that a
 * repeat, also in parallel, also years later within the retention, gets the same answer and owes nothing twice.
 */
export async function acceptWebhook(
  deps: PublishDeps,
  newsroom: Newsroom,
  webhookId: string,
  rawBody: Buffer,
): Promise<PublishAnswer> {
  const bodyHash = createHash('sha256').update(rawBody).digest()
  const webhook = readReleaseWebhook(parseJson(rawBody), newsroom)
  const answer = await inTransaction(deps.pool, async (tx) => {
    await lockWebhookId(tx, newsroom.id, webhookId)
    const earlier = await findReceivedWebhook(tx, newsroom.id, webhookId)
    if (earlier) {
      if (!earlier.bodyHash.equals(bodyHash)) throw new Refusal('WEBHOOK_ID_REUSED')
      return earlier.answer as PublishAnswer
    }
    if ('faults' in webhook) throw new Refusal('BODY_NOT_VALID', webhook.faults)
    const fresh = await act(tx, newsroom, webhook, deps.now)
    await insertReceivedWebhook(tx, newsroom.id, webhookId, { bodyHash, status: 202, answer: fresh }, deps.now())
    return fresh
  })
  if (answer.mailing.state === 'accepted') deps.wake('fan-out', [fanOutJob(answer.mailing.id as MailingId, 0)])
  // No letter of the old revision may begin after this answer, also where it is the answer to a repeat.
  if ('type' in webhook && webhook.type !== 'release.published')
    await untilNothingReplacedMayBegin(deps.pool, newsroom.id)
  return answer
}

function act(tx: Db, newsroom: Newsroom, webhook: ReadWebhook, now: () => Date): Promise<PublishAnswer> {
  switch (webhook.type) {
    case 'release.published':
      return publishRelease(tx, newsroom, webhook, now())
    case 'release.corrected':
      return correctRelease(tx, newsroom, webhook, now)
    case 'release.withdrawn':
      return withdrawRelease(tx, newsroom, webhook.data.externalId, now())
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
