import { eraseReplies } from '../delivery/erase-replies.sql.ts'
import type { Db, Pool } from '../postgres/pool.ts'
import { inTransaction } from '../postgres/transaction.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { type AddressChange, type AddressChangeId, type AddressChangeState, undoDays } from './address-change.ts'
import type { SubscriberId } from './subscriber.ts'

export async function insertAddressChange(
  db: Db,
  wish: { subscriptionId: SubscriptionId; from: SubscriberId; to: SubscriberId },
  now: Date,
): Promise<AddressChangeId> {
  const { rows } = await db.query<{ id: AddressChangeId }>(
    `insert into address_changes (subscription_id, from_subscriber, to_subscriber, state, asked_at)
     values ($1, $2, $3, 'asked', $4)
     returning id`,
    [wish.subscriptionId, wish.from, wish.to, now],
  )
  return rows[0]!.id
}

/** How many changes were asked for with one subscription's link since an instant. */
export async function countAddressChanges(db: Db, subscription: SubscriptionId, since: Date): Promise<number> {
  const { rows } = await db.query<{ asked: number }>(
    'select count(*)::int as asked from address_changes where subscription_id = $1 and asked_at > $2',
    [subscription, since],
  )
  return rows[0]!.asked
}

export async function findAddressChange(db: Db, id: AddressChangeId): Promise<AddressChange | null> {
  const { rows } = await db.query<ChangeRow>(
    `select id, subscription_id, from_subscriber, to_subscriber, state, moved, merged
       from address_changes where id = $1`,
    [id],
  )
  return rows[0] ? changeOf(rows[0]) : null
}

/** Reads a change, and keeps it and both its addresses from changing until the transaction ends. */
export async function lockAddressChange(db: Db, id: AddressChangeId): Promise<AddressChange | null> {
  const { rows } = await db.query<ChangeRow>(
    `select id, subscription_id, from_subscriber, to_subscriber, state, moved, merged
       from address_changes where id = $1
        for update`,
    [id],
  )
  const change = rows[0] ? changeOf(rows[0]) : null
  // By id, as everybody who takes two: and subscribers before their subscriptions.
  if (change)
    await db.query('select from subscribers where id = any($1::bigint[]) order by id for no key update', [
      [change.from, change.to],
    ])
  return change
}

export async function recordChanged(
  db: Db,
  id: AddressChangeId,
  went: { moved: readonly SubscriptionId[]; merged: readonly SubscriptionId[] },
  now: Date,
): Promise<void> {
  await db.query(
    `update address_changes set state = 'done', done_at = $2, moved = $3, merged = $4 where id = $1 and state = 'asked'`,
    [id, now, went.moved, went.merged],
  )
}

export async function recordUndone(db: Db, id: AddressChangeId): Promise<void> {
  await db.query(`update address_changes set state = 'undone' where id = $1 and state = 'done'`, [id])
}

/** Subscriptions that these readers had until they changed their address. */
export async function movedAwayFrom(db: Db, subscribers: readonly SubscriberId[]): Promise<SubscriptionId[]> {
  const { rows } = await db.query<{ moved: SubscriptionId[] }>(
    `select moved from address_changes where from_subscriber = any($1::bigint[]) and state = 'done'`,
    [subscribers],
  )
  return rows.flatMap(({ moved }) => moved)
}

/**
 * Forgets changes that nobody confirmed in time, and those that can no longer be taken back. With these goes what mail hosts said while
 * the old address was written to: an erasure of it would not find that any more.
 */
export async function forgetAddressChanges(pool: Pool, unconfirmedDays: number, most: number): Promise<number> {
  return inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ moved: SubscriptionId[] | null }>(
      `delete from address_changes
        where id = any(array(select id from address_changes
                              where (state = 'asked' and asked_at < now() - $1 * interval '1 day')
                                 or (state <> 'asked' and done_at < now() - $2 * interval '1 day')
                              order by id limit $3))
       returning case when state = 'done' then moved end as moved`,
      [unconfirmedDays, undoDays, most],
    )
    const moved = rows.flatMap((row) => row.moved ?? [])
    if (moved.length > 0) await eraseReplies(tx, [], moved, null)
    return rows.length
  })
}

/** Forgets that these subscribers ever changed their address. */
export async function eraseAddressChanges(db: Db, subscribers: readonly SubscriberId[]): Promise<void> {
  await db.query(
    `delete from address_changes where from_subscriber = any($1::bigint[]) or to_subscriber = any($1::bigint[])`,
    [subscribers],
  )
}

type ChangeRow = {
  id: AddressChangeId
  subscription_id: SubscriptionId
  from_subscriber: SubscriberId
  to_subscriber: SubscriberId
  state: AddressChangeState
  moved: SubscriptionId[]
  merged: SubscriptionId[]
}

const changeOf = (row: ChangeRow): AddressChange => ({
  id: row.id,
  subscriptionId: row.subscription_id,
  from: row.from_subscriber,
  to: row.to_subscriber,
  state: row.state,
  moved: row.moved,
  merged: row.merged,
})
