import type { Claimed } from '../../shared/delivery/delivery.ts'
import { fillLetter } from '../../shared/letter/fill.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { sealDeliveryCode } from '../../shared/links/delivery-code.ts'
import { type LinkKeys, sealToken } from '../../shared/links/token.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Outgoing } from '../../shared/transport/transport.ts'
import type { LettersOf } from './prepared-letters.ts'

export type ComposeDeps = { readonly links: LinkKeys; readonly mailDomain: string; readonly now: () => Date }

/** One reader's letter and envelope. The code in both names the delivery: a retry carries the same Message-ID. */
export function composeLetter(
  deps: ComposeDeps,
  letters: LettersOf,
  mailing: MailingId,
  claimed: Claimed,
  mayStart: () => boolean,
): Outgoing {
  const [mailingNumber, subscriptionNumber] = [BigInt(mailing), BigInt(claimed.subscriptionId)]
  const code = sealDeliveryCode(deps.links, mailingNumber, subscriptionNumber)
  return {
    envelope: { from: `b+${code}@${deps.mailDomain}`, to: claimed.address, envid: code },
    parts: fillLetter(letters(claimed.language), {
      to: claimed.address,
      messageId: `${code}@${deps.mailDomain}`,
      date: mailDate(deps.now()),
      token: sealToken(deps.links, 'unsubscribe', [subscriptionNumber, mailingNumber, 0n]),
    }),
    mayStart,
  }
}
