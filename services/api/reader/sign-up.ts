import { uuidv7 } from 'uuidv7'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { versionedWording } from '../../../shared/consent/consent.ts'
import type { Language } from '../../../shared/language/language.ts'
import type { NewsroomId } from '../../../shared/newsroom/newsroom.ts'
import { oweNotice } from '../../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import type { Address } from '../../../shared/subscriber/address.ts'
import { hashAddress } from '../../../shared/subscriber/address-hash.ts'
import { rememberSubscriber } from '../../../shared/subscriber/subscriber.sql.ts'
import { requestSubscription } from '../../../shared/subscription/subscription.sql.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** One wish to follow, as it came through a door. */
export type SignUp = {
  readonly newsroomId: NewsroomId
  readonly address: Address
  /** Of the letters. */
  readonly language: Language
  readonly door: 'newsroom-page' | 'api'
  /** The words the reader agreed to, and the language they were shown in. */
  readonly consent: { readonly wording: string; readonly language: Language; readonly formUrl: string }
  readonly originHash: Buffer
}

/**
 * Takes down a wish to follow. The same rows are touched whether the address is new, waiting, following or suppressed,
 * so that neither the answer nor the time it takes tells a stranger which: only the mailbox learns.
 */
export async function signUp(deps: ReaderDeps, wish: SignUp): Promise<void> {
  const now = deps.now()
  const noticeId = uuidv7() as NoticeId
  const owed = await inTransaction(deps.pool, async (tx) => {
    const hash = hashAddress(deps.addressHashKey, wish.address.key)
    const subscriberId = await rememberSubscriber(tx, wish.address, hash, now)
    const asked = { newsroomId: wish.newsroomId, subscriberId, language: wish.language }
    const subscription = await requestSubscription(tx, asked, now)
    const consent = {
      ...({ act: 'requested', subscription, door: wish.door, originHash: wish.originHash } as const),
      ...{ language: wish.consent.language, formUrl: wish.consent.formUrl },
      wording: versionedWording(wish.consent.wording),
    }
    await recordConsent(tx, consent, now)
    const kind = subscription.state === 'active' ? 'already-following' : 'confirmation'
    return oweNotice(tx, { id: noticeId, kind, subscriptionId: subscription.id }, now)
  })
  if (owed) deps.wakeNotice(noticeId)
}
