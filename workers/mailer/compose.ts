import type { Claimed } from '../../shared/delivery/delivery.ts'
import { fillLetter } from '../../shared/letter/fill.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { sealDeliveryCode } from '../../shared/links/delivery-code.ts'
import { type LinkKeys, sealToken } from '../../shared/links/token.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { LettersOf } from './prepared-letters.ts'
import type { Composed } from './signing-transport.ts'

export type ComposeDeps = { readonly links: LinkKeys; readonly mailDomain: string; readonly now: () => Date }

/** Makes one reader's letter and envelope. */
export type Compose = (claimed: Claimed) => Composed

/**
 * What a window's letters have in common is worked out once. The code names the delivery in the envelope and in the
 * Message-ID, so a retry carries the same.
 */
export function composeFor(
  deps: ComposeDeps,
  letters: LettersOf,
  mailing: MailingId,
  mayStart: () => boolean,
): Compose {
  const { links, mailDomain } = deps
  const mailingNumber = BigInt(mailing)
  const date = mailDate(deps.now())
  return ({ subscriptionId, address, language }) => {
    const subscriptionNumber = BigInt(subscriptionId)
    const code = sealDeliveryCode(links, mailingNumber, subscriptionNumber)
    const prepared = letters(language)
    const reader = {
      to: address,
      messageId: `${code}@${mailDomain}`,
      date,
      token: sealToken(links, 'unsubscribe', [subscriptionNumber, mailingNumber, 0n]),
    }
    return {
      envelope: { from: `b+${code}@${mailDomain}`, to: address, envid: code },
      parts: fillLetter(prepared, reader),
      mayStart,
      prepared,
      reader,
    }
  }
}
