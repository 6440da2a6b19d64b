import { getDomain } from 'tldts'

/**
 * Whether DMARC counts a signature of `signer` for a letter from `from`: both have the same organisational domain
 * (RFC 7489 3.1.1). The public suffix list says where one begins, the names that hosts lend out included.
 */
export const isAligned = (from: string, signer: string) => organisation(from) === organisation(signer)

const organisation = (domain: string) => getDomain(domain, { allowPrivateDomains: true }) ?? domain.toLowerCase()
