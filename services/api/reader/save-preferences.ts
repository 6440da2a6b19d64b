import { uuidv7 } from 'uuidv7'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { type ConsentDetail, type ConsentEntry, versionedWording } from '../../../shared/consent/consent.ts'
import { oweChangeNotice } from '../../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import type { Db } from '../../../shared/postgres/pool.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import type { Address } from '../../../shared/subscriber/address.ts'
import { countAddressChanges, insertAddressChange } from '../../../shared/subscriber/address-change.sql.ts'
import { hashAddress } from '../../../shared/subscriber/address-hash.ts'
import { keepSubscriberOf, rememberSubscriber } from '../../../shared/subscriber/subscriber.sql.ts'
import { changeFrequency } from '../../../shared/subscription/change-frequency.sql.ts'
import { endAllOf } from '../../../shared/subscription/end-subscriptions.sql.ts'
import { type HeldBy, lockSubscriptionsOf } from '../../../shared/subscription/move-subscription.sql.ts'
import { endSubscription } from '../../../shared/subscription/subscription.sql.ts'
import { keepEndedPause, type SubscriptionId, type Wishes } from '../../../shared/subscription/subscription.ts'
import { findWishes, lockWishes, writeWishes } from '../../../shared/subscription/wishes.sql.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Who asks, through which link, and what they were shown. */
export type Act = Pick<ConsentEntry, 'door' | 'originHash' | 'language' | 'formUrl' | 'mailingId' | 'wording'>

export type Saved = 'saved' | 'gone' | 'too-often'

/** Changes of address one link may ask for in a day: each is a letter to somebody. */
const changesADay = 3

/** Writes down what a reader wishes, and asks a new address whether it is theirs: all of it, or nothing. */
export async function savePreferences(
  deps: ReaderDeps,
  id: SubscriptionId,
  wanted: { readonly wishes: Wishes; readonly address: Address | null },
  act: Act,
): Promise<Saved> {
  const now = deps.now()
  const noticeId = uuidv7() as NoticeId
  const { saved, owed } = await inTransaction(deps.pool, async (tx) => {
    const yesterday = new Date(now.getTime() - 24 * 3_600_000)
    const isTooOften = async () => (await countAddressChanges(tx, id, yesterday)) >= changesADay
    // Asked before it is remembered: of whose address nothing comes is none of our business.
    const asked = wanted.address && !(await isTooOften()) ? wanted.address : null
    // Both addresses first: subscribers are taken before subscriptions everywhere.
    if (asked) await keepSubscriberOf(tx, id)
    const to = asked && (await rememberSubscriber(tx, asked, hashOf(deps, asked), now))
    const held = await lockWishes(tx, id)
    if (held?.state !== 'active') return { saved: 'gone' as const, owed: false }
    const subscription = { id, newsroomId: held.newsroomId, subscriberId: held.subscriberId }
    const wishes = keepEndedPause(held.wishes, wanted.wishes, now)
    const detail = differences(held.wishes, wishes)
    if (Object.keys(detail).length > 0) {
      await writeWishes(tx, id, wishes)
      await changeFrequency(tx, id, wishes.frequency)
      await recordConsent(tx, { ...act, act: 'changed', subscription, detail }, now)
    }
    if (!wanted.address) return { saved: 'saved' as const, owed: false }
    // Others may have asked meanwhile.
    if (!to || (await isTooOften())) return { saved: 'too-often' as const, owed: false }
    const changeId = await insertAddressChange(tx, { subscriptionId: id, from: held.subscriberId, to }, now)
    const notice = { id: noticeId, kind: 'new-address', subscriptionId: id, subscriberId: to, changeId } as const
    return { saved: 'saved' as const, owed: await oweChangeNotice(tx, notice, now) }
  })
  if (owed) deps.wakeNotice(noticeId)
  return saved
}

/**
 * Ends one subscription, or all its reader has; answered when no worker may still begin a letter to them. Also where it had
 * ended already: whoever presses twice may have the second answer first, and it promises as much.
 */
export async function leaveByPreferences(
  deps: ReaderDeps,
  id: SubscriptionId,
  which: 'one' | 'all',
  act: Act,
): Promise<void> {
  const left = await inTransaction(deps.pool, async (tx) => {
    const all = which === 'all' ? await lockAllWith(tx, id) : []
    const one = all[0] ? null : await endSubscription(tx, id, 'unsubscribed')
    const these = all[0] ? await endAllOf(tx, [all[0].subscriberId], 'unsubscribed') : one ? [one] : []
    for (const subscription of these) await recordConsent(tx, { ...act, act: 'ended', subscription }, deps.now())
    return all.map((subscription) => subscription.id)
  })
  await Promise.all([...new Set([id, ...left])].map((one) => deps.afterOptOut(one)))
}

/** All that the reader of this one has, kept from changing; none: there is no such subscription. */
async function lockAllWith(tx: Db, id: SubscriptionId): Promise<HeldBy[]> {
  for (;;) {
    const held = await findWishes(tx, id)
    const all = held ? await lockSubscriptionsOf(tx, [held.subscriberId]) : []
    // A change of address that was under way has given it to another meanwhile: what its link speaks of went along.
    if (held === null || all.some((one) => one.id === id)) return all
  }
}

const hashOf = (deps: ReaderDeps, address: Address) => hashAddress(deps.addressHashKey, address.key)

function differences(before: Wishes, after: Wishes): ConsentDetail {
  const told = (wishes: Wishes) => ({
    frequency: wishes.frequency,
    topics: wishes.topics,
    language: wishes.language,
    pausedUntil: wishes.pausedUntil?.toISOString() ?? null,
  })
  const [was, is] = [told(before), told(after)]
  return Object.fromEntries(
    (Object.keys(was) as (keyof typeof was)[])
      .filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]))
      .map((name) => [name, [was[name], is[name]] as const]),
  )
}

/** The words beside the choices a reader made, as the log of consent keeps them. */
export const wordingOf = (words: readonly string[]): string => versionedWording(words.join(' · '))
