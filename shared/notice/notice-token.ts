import type { Subscription, SubscriptionId } from '../subscription/subscription.ts'

/** How long a confirmation link works: long enough for a weekend away from the mailbox. */
const confirmationHours = 72

export type ConfirmationClaim = {
  readonly subscriptionId: SubscriptionId
  readonly expiresAt: Date
  /** The request this link was sent for. */
  readonly requestedAt: Date
}

/** The numbers a `confirm` token seals: the subscription, when the link expires (s), which request it is for (ms). */
export function confirmationNumbers(
  subscription: Pick<Subscription, 'id' | 'requestedAt'>,
  now: Date,
): [bigint, bigint, bigint] {
  const expiry = Math.floor(now.getTime() / 1000) + confirmationHours * 3600
  return [BigInt(subscription.id), BigInt(expiry), BigInt(subscription.requestedAt.getTime())]
}

/** What a `confirm` token claims, from the numbers that were sealed in it. */
export function readConfirmation(numbers: readonly [bigint, bigint, bigint]): ConfirmationClaim {
  return {
    subscriptionId: numbers[0].toString() as SubscriptionId,
    expiresAt: new Date(Number(numbers[1]) * 1000),
    requestedAt: new Date(Number(numbers[2])),
  }
}
