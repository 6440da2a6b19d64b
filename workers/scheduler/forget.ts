import { forgetOrigins } from '../../shared/consent/forget-origins.sql.ts'
import { forgetDeliveries } from '../../shared/delivery/forget-deliveries.sql.ts'
import { dropOldPaces } from '../../shared/delivery/pace.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { markForgotten, oldestToForget } from '../../shared/mailing/forget-mailing.sql.ts'
import { dropOldLayouts } from '../../shared/mailing/layout.sql.ts'
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
    const forgotten = { mailings: 0, deliveries: 0, webhooks: 0, notices: 0, origins: 0, addresses: 0, unconfirmed: 0 }
    const faults: unknown[] = []
    // What fails again and again must not keep the rest for ever.
    const each = async (step: () => Promise<unknown>) => step().catch((fault: unknown) => faults.push(fault))
    await each(() => eraseLateReplies(pool))
    await each(() => dropOldPaces(pool))
    await each(() => dropOldLayouts(pool))
    await each(() => forgetLedger(deps, forgotten))
    const byAge = {
      webhooks: () => forgetWebhooks(pool, spans.webhooks, batch),
      notices: () => forgetNotices(pool, spans.notices, batch),
      origins: () => forgetOrigins(pool, spans.origins, batch),
      unconfirmed: () => forgetAddressChanges(pool, spans.unconfirmed, batch),
    }
    for (const [kind, statement] of Object.entries(byAge))
      await each(async () => {
        forgotten[kind as keyof typeof byAge] = await untilDone(deps, statement)
      })
    await each(() => walkReaders(forgotten))
    if (Object.values(forgotten).some((count) => count > 0))
      deps.log.info(forgotten, 'forgot what was kept long enough')
    if (faults.length > 0) throw faults[0]
    return forgotten
  }

  async function walkReaders(forgotten: { addresses: number }): Promise<void> {
    const { pool, spans, batch } = deps
    for (let statement = 0; statement < deps.statements && !deps.stopping(); statement++) {
      if (deps.now().getTime() < walkAgain) break
      const wish = { after: walkedTo, days: spans.addresses, unconfirmedDays: spans.unconfirmed, most: batch }
      const { last, idle } = await findIdleReaders(pool, wish)
      if (idle.length > 0) forgotten.addresses += await inTransaction(pool, (tx) => forgetAddresses(tx, idle))
      walkedTo = last ?? ('0' as SubscriberId)
      if (last === null) walkAgain = deps.now().getTime() + walkRest
    }
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

async function forgetLedger(
  { pool, spans, batch, statements, stopping }: ForgetDeps,
  forgotten: { mailings: number; deliveries: number },
): Promise<void> {
  let mailing: MailingId | null = null
  let after = '0' as SubscriptionId
  for (let statement = 0; statement < statements && !stopping(); statement++) {
    mailing ??= await oldestToForget(pool, spans.deliveries)
    if (mailing === null) break
    const step = await forgetDeliveries(pool, mailing, after, batch)
    forgotten.deliveries += step.deleted
    if (step.last !== null) {
      after = step.last
      continue
    }
    await markForgotten(pool, mailing)
    forgotten.mailings += 1
    mailing = null
    after = '0' as SubscriptionId
  }
}
