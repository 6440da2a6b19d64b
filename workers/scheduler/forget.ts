import { forgetOrigins } from '../../shared/consent/forget-origins.sql.ts'
import { forgetDeliveries } from '../../shared/delivery/forget-deliveries.sql.ts'
import { dropOldPaces } from '../../shared/delivery/pace.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { markForgotten, oldestToForget } from '../../shared/mailing/forget-mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { forgetNotices } from '../../shared/notice/notice.sql.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { forgetWebhooks } from '../../shared/release/forget-webhooks.sql.ts'
import { forgetAddressChanges } from '../../shared/subscriber/address-change.sql.ts'
import { eraseLateReplies } from '../../shared/subscriber/erase-reader.sql.ts'
import { findIdleReaders, forgetAddresses } from '../../shared/subscriber/subscriber.sql.ts'
import type { SubscriberId } from '../../shared/subscriber/subscriber.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'

/** How many days what is kept; see docs/data-kept.md. */
export type Spans = {
  readonly deliveries: number
  readonly webhooks: number
  readonly notices: number
  readonly origins: number
  readonly addresses: number
  readonly unconfirmed: number
}

export type ForgetDeps = {
  readonly pool: Pool
  readonly log: Pick<Log, 'info'>
  readonly now: () => Date
  readonly spans: Spans
  readonly stopping: () => boolean
  /** Rows in one statement: some milliseconds of locks on rows nobody works with any more. */
  readonly batch: number
  /** Statements in one turn, of each kind: a turn ends well within the time its lock is kept. */
  readonly statements: number
}

export type Forgotten = Record<keyof Spans | 'mailings', number>

/** Spans are days: the walk over all subscribers begins again after six hours. */
const walkRest = 6 * 3_600_000

/**
 * Forgets what has been kept long enough, the oldest first, in small statements that go along keys. What a turn does not
 * get done the next one does; the walk over all subscribers goes on where it stood.
 */
export function openForgetting(deps: ForgetDeps): () => Promise<Forgotten> {
  let walkedTo = '0' as SubscriberId
  let walkAgain = 0
  return async () => {
    const { pool, spans, batch } = deps
    await eraseLateReplies(pool)
    await dropOldPaces(pool)
    const ledger = await forgetLedger(deps)
    const webhooks = await untilDone(deps, () => forgetWebhooks(pool, spans.webhooks, batch))
    const notices = await untilDone(deps, () => forgetNotices(pool, spans.notices, batch))
    const origins = await untilDone(deps, () => forgetOrigins(pool, spans.origins, batch))
    const unconfirmed = await untilDone(deps, () => forgetAddressChanges(pool, spans.unconfirmed, batch))
    let addresses = 0
    for (let statement = 0; statement < deps.statements && !deps.stopping(); statement++) {
      if (deps.now().getTime() < walkAgain) break
      const wish = { after: walkedTo, days: spans.addresses, unconfirmedDays: spans.unconfirmed, most: batch }
      const { last, idle } = await findIdleReaders(pool, wish)
      if (idle.length > 0) addresses += await inTransaction(pool, (tx) => forgetAddresses(tx, idle))
      walkedTo = last ?? ('0' as SubscriberId)
      if (last === null) walkAgain = deps.now().getTime() + walkRest
    }
    const forgotten = { ...ledger, webhooks, notices, origins, addresses, unconfirmed }
    if (Object.values(forgotten).some((count) => count > 0))
      deps.log.info(forgotten, 'forgot what was kept long enough')
    return forgotten
  }
}

/** Runs a statement until it finds less than it may take. */
async function untilDone(deps: ForgetDeps, statement: () => Promise<number>): Promise<number> {
  let rows = 0
  for (let turn = 0; turn < deps.statements && !deps.stopping(); turn++) {
    const taken = await statement()
    rows += taken
    if (taken < deps.batch) break
  }
  return rows
}

async function forgetLedger({ pool, spans, batch, statements, stopping }: ForgetDeps) {
  let [mailings, deliveries] = [0, 0]
  let mailing: MailingId | null = null
  let after = '0' as SubscriptionId
  for (let statement = 0; statement < statements && !stopping(); statement++) {
    mailing ??= await oldestToForget(pool, spans.deliveries)
    if (mailing === null) break
    const step = await forgetDeliveries(pool, mailing, after, batch)
    deliveries += step.deleted
    if (step.last !== null) {
      after = step.last
      continue
    }
    await markForgotten(pool, mailing)
    mailings += 1
    mailing = null
    after = '0' as SubscriptionId
  }
  return { mailings, deliveries }
}
