import type { Claimed } from '../../shared/delivery/delivery.ts'
import { fillLetter } from '../../shared/letter/fill.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { sealDelivery } from '../../shared/links/delivery-code.ts'
import type { LinkKeys } from '../../shared/links/token.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { LettersOf } from './prepared-letters.ts'
import type { Composed } from './signing-transport.ts'

export type ComposeDeps = { readonly links: LinkKeys; readonly mailDomain: string; readonly now: () => Date }

/** Makes one reader's letter and envelope; throws where that cannot be done. */
export type Compose = (claimed: Claimed) => Composed

/**
 * What a window's letters have in common is worked out once. The code names the delivery in the envelope and in the
 * Message-ID, so a retry carries the same.
 */
export function composeFor(deps: ComposeDeps, letters: LettersOf, mailing: MailingId): Compose {
  const { links, mailDomain } = deps
  const mailingNumber = BigInt(mailing)
  const date = mailDate(deps.now())
  return ({ subscriptionId, address, language }) => {
    const { token, code } = sealDelivery(links, mailingNumber, BigInt(subscriptionId))
    const prepared = letters(language)
    const reader = { to: address, messageId: `${code}@${mailDomain}`, date, token }
    return {
      envelope: { from: `b+${code}@${mailDomain}`, to: address, envid: code },
      parts: fillLetter(prepared, reader),
      prepared,
      reader,
    }
  }
}
