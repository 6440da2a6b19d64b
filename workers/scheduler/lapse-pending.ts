import { logLapses } from '../../shared/consent/log-lapses.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { forgetAddresses } from '../../shared/subscriber/subscriber.sql.ts'
import { lapseRequests } from '../../shared/subscription/end-subscriptions.sql.ts'

export type LapseDeps = {
  readonly pool: Pool
  readonly log: Pick<Log, 'info'>
  readonly now: () => Date
  readonly stopping: () => boolean
  readonly lapseAfterDays: number
}

const requestsAtOnce = 500
/** A turn must end well within the time its lock is kept; what is left the next one does, in ten minutes. */
const batchesATurn = 40

/** Ends requests nobody has confirmed, and deletes the addresses that only they needed. */
export async function lapsePending(deps: LapseDeps): Promise<number> {
  let lapsed = 0
  for (let done = 0; done < batchesATurn; done += 1) {
    const batch = await inTransaction(deps.pool, async (tx) => {
      const ended = await lapseRequests(tx, deps.lapseAfterDays, requestsAtOnce)
      await logLapses(tx, ended, deps.now())
      return ended
    })
    // Apart, because subscribers are taken before subscriptions everywhere; what a crash leaves between is found later.
    await inTransaction(deps.pool, (tx) => forgetAddresses(tx, [...new Set(batch.map((one) => one.subscriberId))]))
    lapsed += batch.length
    if (batch.length < requestsAtOnce || deps.stopping()) break
  }
  if (lapsed > 0) deps.log.info({ lapsed }, 'unconfirmed requests lapsed')
  return lapsed
}
