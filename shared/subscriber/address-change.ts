import type { Brand } from '../brand.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { SubscriberId } from './subscriber.ts'

export type AddressChangeId = Brand<string, 'AddressChangeId'>

/** `asked` → `done` when the new address confirms → `undone` when the old one takes it back. */
export const addressChangeStates = ['asked', 'done', 'undone'] as const
export type AddressChangeState = (typeof addressChangeStates)[number]

/** One wish to be written to elsewhere. */
export type AddressChange = {
  readonly id: AddressChangeId
  readonly subscriptionId: SubscriptionId
  readonly from: SubscriberId
  readonly to: SubscriberId
  readonly state: AddressChangeState
  /** The subscriptions that went along. */
  readonly moved: readonly SubscriptionId[]
  /** Those that ended because the new address followed already. */
  readonly merged: readonly SubscriptionId[]
}

/** How long the new address may take to confirm: as a sign-up. */
export const confirmHours = 72

/** How long the old address can take a change back: whoever was away for four weeks still can. */
export const undoDays = 30
