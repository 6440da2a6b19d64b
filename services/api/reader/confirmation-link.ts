import { type LinkKeys, openToken } from '../../../shared/links/token.ts'
import { findNewsroomById } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { type ConfirmationClaim, readConfirmation } from '../../../shared/notice/notice-token.ts'
import type { Db } from '../../../shared/postgres/pool.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { type LinkStanding, linkStanding, type Subscription } from '../../../shared/subscription/subscription.ts'

/** The claim in a confirmation letter's link, or a refusal when it is not one of ours. */
export function openConfirmation(links: LinkKeys, token: string): ConfirmationClaim {
  const numbers = openToken(links, 'confirm', token)
  if (!numbers) throw new Refusal('LINK_NOT_VALID')
  return readConfirmation(numbers)
}

export type ConfirmationStanding = LinkStanding | 'expired'

/** What has been done with a link says more than its age: one that was used stays friendly for ever. */
export function confirmationStanding(
  subscription: Subscription,
  claim: ConfirmationClaim,
  now: Date,
): ConfirmationStanding {
  const standing = linkStanding(subscription, claim.requestedAt)
  return standing === 'open' && now >= claim.expiresAt ? 'expired' : standing
}

/** The newsroom a link speaks of. A subscription that is gone altogether was ended long ago, and its link with it. */
export async function newsroomOf(db: Db, subscription: Subscription): Promise<Newsroom> {
  const newsroom = await findNewsroomById(db, subscription.newsroomId)
  if (!newsroom) throw new Refusal('LINK_NOT_VALID')
  return newsroom
}
