import { domainOf } from '../../shared/delivery/pace.ts'
import { isAligned } from '../../shared/dkim/alignment.ts'
import type { Log } from '../../shared/log/log.ts'

/** Told of each mailing's sender as its letters are taken up, so it costs a letter nothing. */
export type SenderAlignment = { check(senderAddress: string): void }

/**
 * Tells the operator once of each newsroom's domain for which SPF cannot speak: DMARC counts it only where the address
 * that bounces return to is of the same organisational domain as From (RFC 7489 3.1.2).
 */
export function openSenderAlignment(log: Log, mailDomain: string): SenderAlignment {
  const known = new Set<string>()
  return {
    check: (senderAddress) => {
      const from = domainOf(senderAddress)
      if (known.has(from) || forExamples.test(mailDomain)) return
      known.add(from)
      if (!isAligned(from, mailDomain))
        log.warn(
          { from, envelope: mailDomain },
          'letters from this domain return to another, which DMARC does not count',
        )
    },
  }
}

/** Names that are nobody's (RFC 2606), such as `npm start` has: such letters reach nobody who would count anything. */
const forExamples = /(^|\.)(example|test|invalid|localhost)$/
