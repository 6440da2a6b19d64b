import type { Db } from '../postgres/pool.ts'
import {
  endInTheWay,
  giveSubscription,
  type HeldBy,
  leaveEndBehind,
  lockSubscriptionsOf,
  mergeAway,
  unmerge,
} from '../subscription/move-subscription.sql.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import { recordChanged, recordUndone } from './address-change.sql.ts'
import type { AddressChange } from './address-change.ts'
import { deleteStandIn, insertStandIn } from './subscriber.sql.ts'
import type { SubscriberId } from './subscriber.ts'

/**
 * Moves what a reader follows to the new address. Subscriptions move, addresses do not: each keeps its id, and so its
 * letters on the way and the links in those that came before. Where the new address follows the same newsroom already,
 * that one goes on as it is and the other ends; whichever of the two a letter in flight belongs to, it comes once. Where
 * the new address had left, or had only asked, the two change places: the end stays known, under the old address.
 *
 * The caller holds the change, and has seen that it may be done.
 */
export async function changeAddress(db: Db, change: AddressChange, now: Date): Promise<readonly HeldBy[]> {
  const held = await lockSubscriptionsOf(db, [change.from, change.to])
  const moved: HeldBy[] = []
  const merged: HeldBy[] = []
  if (change.from !== change.to)
    for (const one of held.filter(({ subscriberId, state }) => subscriberId === change.from && state === 'active')) {
      if (await putUnder(db, one, change.to, held, now)) moved.push(one)
      else merged.push(one)
    }
  await recordChanged(db, change.id, { moved: moved.map(({ id }) => id), merged: merged.map(({ id }) => id) }, now)
  return [...moved, ...merged]
}

/** Takes a change back: what went along comes home, and what was merged is taken up again. */
export async function undoChange(db: Db, change: AddressChange, now: Date): Promise<readonly HeldBy[]> {
  const held = await lockSubscriptionsOf(db, [change.from, change.to])
  const home: HeldBy[] = []
  for (const one of held) {
    // What its reader has ended meanwhile, or moved on elsewhere, is left as they wanted it.
    if (!change.moved.includes(one.id) || one.subscriberId !== change.to || one.state !== 'active') continue
    if (await putUnder(db, one, change.from, held, now)) home.push(one)
  }
  const again = new Set<SubscriptionId>(await unmerge(db, change.merged))
  await recordUndone(db, change.id)
  return [...home, ...held.filter(({ id }) => again.has(id))]
}

/** False: the place was taken by one that is active, and this one has ended instead. */
async function putUnder(db: Db, one: HeldBy, to: SubscriberId, held: readonly HeldBy[], now: Date): Promise<boolean> {
  const there = held.find(({ newsroomId, subscriberId }) => newsroomId === one.newsroomId && subscriberId === to)
  if (there?.state === 'active') {
    await mergeAway(db, one.id)
    return false
  }
  if (!there) {
    await giveSubscription(db, one.id, to)
    await leaveEndBehind(db, one.id, one.subscriberId)
    return true
  }
  await endInTheWay(db, there.id)
  // Two rows of one newsroom cannot stand under one subscriber, not even for the length of a statement.
  const standIn = await insertStandIn(db, now)
  await giveSubscription(db, there.id, standIn)
  await giveSubscription(db, one.id, to)
  await giveSubscription(db, there.id, one.subscriberId)
  await deleteStandIn(db, standIn)
  return true
}
