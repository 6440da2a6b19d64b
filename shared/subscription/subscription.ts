import type { Brand } from '../brand.ts'
import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { SubscriberId } from '../subscriber/subscriber.ts'

export type SubscriptionId = Brand<string, 'SubscriptionId'>

/** `pending`: asked for, and not yet confirmed from the address itself. */
export const subscriptionStates = ['pending', 'active', 'ended'] as const
export type SubscriptionState = (typeof subscriptionStates)[number]

/** `merged`: its reader moved to an address that followed the same newsroom already; or it marks where one moved from. */
export const endReasons = [
  'unsubscribed',
  'disowned',
  'lapsed',
  'complained',
  'bounced',
  'operator',
  'erased',
  'merged',
] as const
export type EndReason = (typeof endReasons)[number]

export const frequencies = ['immediate', 'daily', 'weekly'] as const
export type Frequency = (typeof frequencies)[number]

/** What a reader wishes of a subscription. */
export type Wishes = {
  readonly language: Language
  readonly frequency: Frequency
  /** Topic ids; none: whatever the newsroom publishes. */
  readonly topics: readonly string[]
  /** Nothing is owed before this instant. */
  readonly pausedUntil: Date | null
}

/** A pause that is over is none, but what came in it is still not owed: the next digest has to know of it. */
export function keepEndedPause(held: Wishes, wanted: Wishes, now: Date): Wishes {
  const isOver = held.pausedUntil !== null && held.pausedUntil <= now
  return wanted.pausedUntil === null && isOver ? { ...wanted, pausedUntil: held.pausedUntil } : wanted
}

/** A reader's standing wish to hear from one newsroom. */
export type Subscription = {
  readonly id: SubscriptionId
  readonly newsroomId: NewsroomId
  readonly subscriberId: SubscriberId
  readonly state: SubscriptionState
  readonly language: Language
  readonly frequency: Frequency
  /** Topic ids; none: whatever the newsroom publishes. */
  readonly topics: readonly string[]
  readonly requestedAt: Date
  /** When it last ended; kept while a new request is pending, so that links from before are known as such. */
  readonly endedAt: Date | null
  readonly endedReason: EndReason | null
}

/** Whether there is anything left to leave: what ended without its reader may yet be brought back. */
export const canBeLeft = ({ state, endedReason }: Pick<Subscription, 'state' | 'endedReason'>): boolean =>
  state !== 'ended' || endedReason === 'merged' || endedReason === 'bounced'

/**
 * What a confirmation link may still do. A link belongs to the request it was sent for: once the subscription has
 * ended after that request, the link is dead even when somebody has asked anew since.
 */
export type LinkStanding = 'open' | 'confirmed' | 'ended'

export function linkStanding(subscription: Subscription, requestedAt: Date): LinkStanding {
  if (subscription.state === 'active') return 'confirmed'
  const endedSince = subscription.endedAt !== null && requestedAt <= subscription.endedAt
  return subscription.state === 'pending' && !endedSince ? 'open' : 'ended'
}
