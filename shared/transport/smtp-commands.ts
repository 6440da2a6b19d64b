import type { Envelope, Reply } from './transport.ts'

/** What the host offers (RFC 5321 4.1.1.1), as far as a hand-over is the better for it. */
export type Offers = {
  readonly pipelining: boolean
  readonly startTls: boolean
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  /** Whether it takes SIZE=, and the most it takes; 0 names no limit (RFC 1870). */
  readonly size: boolean
  readonly largest: number
  readonly auth: readonly string[]
}

export function readOffers(ehloLines: readonly string[]): Offers {
  const offered = new Map<string, string[]>()
  for (const line of ehloLines.slice(1)) {
    // `AUTH=LOGIN` is how servers from before RFC 2554 say it, and some still add it.
    const [keyword = '', ...words] = line.trim().toUpperCase().split(/[ =]+/)
    offered.set(keyword, [...(offered.get(keyword) ?? []), ...words])
  }
  const largest = Number(offered.get('SIZE')?.[0] ?? 0)
  return {
    pipelining: offered.has('PIPELINING'),
    startTls: offered.has('STARTTLS'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    size: offered.has('SIZE'),
    largest: Number.isFinite(largest) ? largest : 0,
    auth: offered.get('AUTH') ?? [],
  }
}

/** What a host that only knows HELO offers. */
export const noOffers: Offers = readOffers([])

export function mailCommand(envelope: Envelope, size: number, offers: Offers): string {
  let command = `MAIL FROM:<${envelope.from}>`
  if (offers.size) command += ` SIZE=${size}`
  if (offers.smtpUtf8 && needsSmtpUtf8(envelope)) command += ' SMTPUTF8'
  if (offers.dsn) command += ` RET=HDRS${envid(envelope)}`
  return `${command}\r\n`
}

export function rcptCommand(envelope: Envelope, offers: Offers): string {
  return offers.dsn ? `RCPT TO:<${envelope.to}> NOTIFY=FAILURE\r\n` : `RCPT TO:<${envelope.to}>\r\n`
}

/** A refusal of an envelope that must never reach the wire: it would end the command early, or be another's address. */
export function refuseEnvelope(envelope: Envelope): Reply | null {
  const isSafe = (envelope.from === '' || isAddress(envelope.from)) && isAddress(envelope.to)
  return isSafe ? null : badAddress
}

/** A refusal of a letter that this host has said it cannot take. */
export function refuseUnoffered(envelope: Envelope, size: number, offers: Offers): Reply | null {
  if (offers.largest > 0 && size > offers.largest) return tooLarge
  return !offers.smtpUtf8 && needsSmtpUtf8(envelope) ? needsUtf8 : null
}

const badAddress: Reply = { code: 553, enhanced: '5.1.3', text: 'not an address that can be given to a mail host' }
const tooLarge: Reply = { code: 552, enhanced: '5.3.4', text: 'larger than the mail host takes' }
const needsUtf8: Reply = { code: 553, enhanced: '5.6.7', text: 'the mail host takes ASCII addresses only' }

const plain = /^[^\u0000-\u0020\u007f<>"\\@]+@[^\u0000-\u0020\u007f<>"\\@]+$/
const quoted = /^"(?:[^\u0000-\u001f\u007f"\\]|\\[\u0020-\u007e])*"@[^\u0000-\u0020\u007f<>"\\@]+$/
// RFC 5321 4.5.3.1.3: a path is 256 octets, of which two are the angle brackets.
const longestAddress = 254

function isAddress(address: string): boolean {
  return (plain.test(address) || quoted.test(address)) && isShort(address)
}

// A UTF-16 unit becomes three octets of UTF-8 at most; counting them costs as much as looking at each.
const isShort = (address: string) =>
  3 * address.length <= longestAddress || Buffer.byteLength(address) <= longestAddress

const beyondAscii = /[^\u0000-\u007f]/

function needsSmtpUtf8(envelope: Envelope): boolean {
  return beyondAscii.test(envelope.to) || beyondAscii.test(envelope.from)
}

// RFC 3461 4.4 allows 100 characters, and nothing but printable ASCII before they are encoded: over anything else Postfix
// refuses the letter. An id that cannot be whole is of no use to whoever gets the report.
function envid({ envid: id }: Envelope): string {
  if (!id || !printable.test(id)) return ''
  const encoded = xtext(id)
  return encoded.length <= 100 ? ` ENVID=${encoded}` : ''
}

const printable = /^[ -~]+$/

const xtext = (text: string) => text.replace(/[ +=]/g, (sign) => `+${sign.charCodeAt(0).toString(16).toUpperCase()}`)
