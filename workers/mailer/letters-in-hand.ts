import type { SubscriptionId } from '../../shared/subscription/subscription.ts'

/** One window in hand: gives a reader's letter back, or writes down what became of it. False: it is not in there. */
export type Hand = (subscription: SubscriptionId) => boolean

/** The letters this process has claimed, so that one whose reader has left can be given back before its claim runs out. */
export type LettersInHand = {
  /** Returns what lets go of the hand. */
  take(hand: Hand): () => void
  giveBack(subscription: SubscriptionId): void
}

/** Long enough for the answer to any claim to arrive, in milliseconds; too long costs one letter one more claim. */
const keptFor = 10_000

export function openLettersInHand(): LettersInHand {
  const hands = new Set<Hand>()
  /** Asked for and not found, oldest first: the answer to the statement that claimed it may still be on its way here. */
  const early = new Map<SubscriptionId, number>()

  function forgetOld(): void {
    for (const [subscription, askedAt] of early) {
      if (performance.now() - askedAt < keptFor) return
      early.delete(subscription)
    }
  }

  return {
    take(hand) {
      hands.add(hand)
      forgetOld()
      for (const subscription of early.keys()) if (hand(subscription)) early.delete(subscription)
      return () => hands.delete(hand)
    },
    giveBack(subscription) {
      let isFound = false
      for (const hand of hands) isFound = hand(subscription) || isFound
      if (isFound) return
      forgetOld()
      early.set(subscription, performance.now())
    },
  }
}
