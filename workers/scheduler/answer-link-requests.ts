import { uuidv7 } from 'uuidv7'
import { findForLink, oweLink, takeLinkRequests } from '../../shared/notice/link-request.sql.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { noticeJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'

/** Wishes answered in one round; a flood of them waits its turn and is bounded at the door. */
const requestsAtOnce = 200

/**
 * Turns wishes for a link into letters, for those who are known. It is done here and not at the door, which so does the
 * same and takes the same time for every address.
 */
export async function answerLinkRequests(deps: { pool: Pool; wake: Wake; now: () => Date }): Promise<void> {
  const owed = await inTransaction(deps.pool, async (tx) => {
    const now = deps.now()
    const ids: NoticeId[] = []
    for (const request of await takeLinkRequests(tx, requestsAtOnce)) {
      const found = await findForLink(tx, request)
      if (!found) continue
      // What we hold is told whatever it is; what is followed can be changed or ended only where it is followed.
      if (request.kind !== 'my-data-link' && !(found.isHere && found.isActive)) continue
      const id = uuidv7() as NoticeId
      const { id: subscriptionId, subscriberId } = found
      if (await oweLink(tx, { id, kind: request.kind, subscriptionId, subscriberId }, now)) ids.push(id)
    }
    return ids
  })
  deps.wake(
    'notices',
    owed.map((id) => noticeJob(id, 0)),
  )
}
