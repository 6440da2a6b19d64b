import type { FastifyReply, FastifyRequest } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { oweNotice } from '../../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { addressHashOf } from '../../../shared/subscriber/subscriber.sql.ts'
import { lockSubscription, renewRequest } from '../../../shared/subscription/subscription.sql.ts'
import type { Subscription } from '../../../shared/subscription/subscription.ts'
import { spendLetter } from './letter-budgets.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { admit, refuseForNow } from './sign-up-budgets.ts'

/**
 * Sends a new link to where the expired one went. Whoever presses the button holds a link of ours and need not prove
 * more, but they may not be who it was sent to: so the address is not shown, and its budget holds.
 */
export async function renewConfirmation(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, newsroomId }: Subscription,
): Promise<void> {
  const admission = await admit(deps, { id: newsroomId, slug: newsroomId }, request.ip, 'link')
  if (!admission.admitted && admission.needs === 'patience') throw refuseForNow(reply, admission)
  const now = deps.now()
  const noticeId = uuidv7() as NoticeId
  const isOwed = await inTransaction(deps.pool, async (tx) => {
    const subscription = await lockSubscription(tx, id)
    const hash = subscription?.state === 'pending' && (await addressHashOf(tx, subscription.subscriberId))
    if (!hash) return false
    const mayWrite = await spendLetter(tx, deps.addressHashKey, hash, newsroomId, now)
    const owed = await oweNotice(tx, { id: noticeId, kind: 'confirmation', subscriptionId: id, mayWrite }, now)
    if (owed) await renewRequest(tx, id, now)
    return owed
  })
  if (isOwed) deps.wakeNotice(noticeId)
}
