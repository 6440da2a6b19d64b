import { domainToASCII } from 'node:url'

/** An email address that a letter can be sent to. */
export type Address = {
  /** As the reader wrote it, in NFC, its domain in A-labels: the form an envelope takes. */
  readonly address: string
  /** What makes two spellings one reader: local part in ASCII lower case, and the domain. */
  readonly key: string
  /** The domain in A-labels and lower case. */
  readonly domain: string
}

/**
 * Reads an address as RFC 5321 and 6531 have it, in the one form people use: a dot-atom before the sign and a name
 * after it. Quoted local parts, literals and comments are refused rather than guessed at, because an address is handed
 * to SMTP commands and headers as it stands. Nothing is repaired: what passes is what was written, so a door that
 * forgives blanks around a typed address takes them off itself.
 */
export function parseAddress(text: string): Address | null {
  // Anything longer is no address, and no work is spent on it.
  if (text.length > longestText) return null
  const written = text.normalize('NFC')
  const at = written.lastIndexOf('@')
  const local = written.slice(0, Math.max(at, 0))
  if (!localPart.test(local) || bytesOf(local) > 64) return null
  const domain = parseDomain(written.slice(at + 1))
  if (domain === null) return null
  const address = `${local}@${domain}`
  // 254: the longest that fits a path of 256 octets with its angle brackets (RFC 5321, 4.5.3.1.3).
  if (bytesOf(address) > 254) return null
  return { address, key: `${asciiLower(local)}@${domain}`, domain }
}

/**
 * An address as people paste it, without the blanks around it. Where it is too long for one it is left as it is: the work would grow with
 * the square of the blanks in it, and everybody may knock at the doors that ask for one.
 */
export const withoutBlanksAround = (text: string) =>
  text.length > longestText ? text : text.replace(/^[ \t\u00a0]+|[ \t\u00a0]+$/g, '')

/** Room for a name whose A-labels are shorter than itself. */
const longestText = 1_000

// Letters, marks and digits of every script, and the signs RFC 5322 lets stand in an atom. One dot parts two atoms, so
// there is one way to read any text and no backtracking.
const atom = "[\\p{L}\\p{M}\\p{N}!#$%&'*+/=?^_`{|}~-]+"
const localPart = new RegExp(`^${atom}(?:\\.${atom})*$`, 'u')

// Checked before domainToASCII, which reads hosts as browsers do: it would decode %41, and take 0x7f for 127.
// The two joiners belong to words in Persian and several Indic scripts.
const nameLabels = /^[\p{L}\p{M}\p{N}\p{Join_Control}-]+(?:\.[\p{L}\p{M}\p{N}\p{Join_Control}-]+)*$/u
const hostName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

function parseDomain(text: string): string | null {
  if (!nameLabels.test(text)) return null
  const lastLabel = text.slice(text.lastIndexOf('.') + 1)
  // A name that ends in a number is an IPv4 address to a browser's parser; as a mail domain it is nothing.
  if (/^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/.test(lastLabel)) return null
  const domain = domainToASCII(text)
  return domain.length <= 253 && hostName.test(domain) ? domain : null
}

const asciiLower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
const bytesOf = (text: string) => Buffer.byteLength(text)
