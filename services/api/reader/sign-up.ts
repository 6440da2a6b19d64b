import { uuidv7 } from 'uuidv7'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { versionedWording } from '../../../shared/consent/consent.ts'
import type { Language } from '../../../shared/language/language.ts'
import type { NewsroomId } from '../../../shared/newsroom/newsroom.ts'
import { oweNotice } from '../../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import type { Pool } from '../../../shared/postgres/pool.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { hashAddress } from '../../../shared/subscriber/address-hash.ts'
import { rememberSubscriber } from '../../../shared/subscriber/subscriber.sql.ts'
import { requestSubscription } from '../../../shared/subscription/subscription.sql.ts'
import { spendLetter } from './letter-budgets.ts'
import type { ReaderDeps } from './reader-deps.ts'
import type { Wish } from './sign-up-wish.ts'

/** One wish to follow, as it came through a door. */
export type SignUp = {
  readonly newsroomId: NewsroomId
  readonly wish: Wish
  readonly door: 'newsroom-page' | 'api'
  /** The words the reader agreed to, and the language they were shown in. */
  readonly consent: { readonly wording: string; readonly language: Language; readonly formUrl: string }
  readonly originHash: Buffer
  /** The letter leaves no sooner. */
  readonly notBefore: Date
}

/**
 * Sign-ups for one address that come at the same instant are one: they would only wait for each other's row, each with a
 * connection in its hands, and whoever sent a thousand of them would have all there are.
 */
export function signUp(deps: ReaderDeps, asked: SignUp): Promise<void> {
  const here = underWay.get(deps.pool) ?? new Map<string, Promise<void>>()
  underWay.set(deps.pool, here)
  const key = `${asked.newsroomId} ${asked.wish.address.key}`
  const known = here.get(key)
  if (known) return known
  const done = takeDown(deps, asked).finally(() => here.delete(key))
  here.set(key, done)
  return done
}

const underWay = new WeakMap<Pool, Map<string, Promise<void>>>()

/**
 * Takes down a wish to follow. The same statements run whether the address is new, waiting, following, gone or
 * suppressed, so that neither the answer nor the time it takes tells a stranger which: only the mailbox learns.
 */
async function takeDown(deps: ReaderDeps, asked: SignUp): Promise<void> {
  const now = deps.now()
  const { newsroomId, wish } = asked
  const noticeId = uuidv7() as NoticeId
  const owed = await inTransaction(deps.pool, async (tx) => {
    const hash = hashAddress(deps.addressHashKey, wish.address.key)
    const subscriberId = await rememberSubscriber(tx, wish.address, hash, now)
    const subscription = await requestSubscription(tx, { newsroomId, subscriberId, ...wish }, now)
    const consent = {
      ...({ act: 'requested', subscription, door: asked.door, originHash: asked.originHash } as const),
      ...{ language: asked.consent.language, formUrl: asked.consent.formUrl },
      wording: versionedWording(asked.consent.wording),
      wishes: { language: wish.language, topics: wish.topics, frequency: wish.frequency },
    }
    await recordConsent(tx, consent, now)
    const mayWrite = await spendLetter(tx, deps.addressHashKey, hash, newsroomId, now)
    const kind = subscription.state === 'active' ? 'already-following' : 'confirmation'
    const notice = {
      id: noticeId,
      kind,
      subscriptionId: subscription.id,
      mayWrite,
      notBefore: asked.notBefore,
    } as const
    return oweNotice(tx, notice, now)
  })
  if (owed && asked.notBefore <= now) deps.wakeNotice(noticeId)
}
