import { type LinkKeys, provesRest, sealWithRest } from './token.ts'

/**
 * What a letter carries of ours: the token of its links, and the code of its envelope sender and Message-ID, by which a
 * bounce can be told from a forgery. One MAC proves both, because it is made for every letter: 192 of its bits stand in
 * the token, the other 64 in the code, so neither can be made out of the other, and a code can only be guessed by
 * sending us a mail for each guess.
 *
 * The code is two 8-byte numbers and those 64 bits, in base32 because mail hosts fold the case of addresses: 39
 * characters, which with its prefix stays under the 64 of a local part (RFC 5321 4.5.3.1.1).
 */
export function sealDelivery(
  keys: LinkKeys,
  mailing: bigint,
  subscription: bigint,
): { readonly token: string; readonly code: string } {
  const token = sealWithRest(keys, 'unsubscribe', [subscription, mailing, 0n], sealing, 16)
  sealing.writeBigUInt64BE(mailing, 0)
  sealing.writeBigUInt64BE(subscription, 8)
  return { token, code: toBase32(sealing) }
}

/** Where codes are put together, one after another, and then spelt. */
const sealing = Buffer.alloc(24)
const spelling = Buffer.alloc(39)

/** The mailing and subscription a code names, or `null` when it is not one of ours. */
export function openDeliveryCode(keys: LinkKeys, code: string): { mailing: bigint; subscription: bigint } | null {
  const bytes = fromBase32(code.toLowerCase())
  if (bytes === null) return null
  const mailing = bytes.readBigUInt64BE(0)
  const subscription = bytes.readBigUInt64BE(8)
  return provesRest(keys, 'unsubscribe', [subscription, mailing, 0n], bytes.subarray(16))
    ? { mailing, subscription }
    : null
}

// RFC 4648 base32 in lower case, without padding: 24 bytes are 192 bits, 39 characters with 3 bits to spare.
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

const letters = Buffer.from(alphabet)

function toBase32(bytes: Buffer): string {
  // Letter by letter into bytes, not into a string: half a million times a minute, a string of 39 joints is slow to read.
  let at = 0
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      spelling[at++] = letters[(held >>> bits) & 31]!
    }
    held &= (1 << bits) - 1
  }
  spelling[at] = letters[(held << (5 - bits)) & 31]!
  return spelling.toString('latin1')
}

function fromBase32(text: string): Buffer | null {
  if (!/^[a-z2-7]{39}$/.test(text)) return null
  const bytes = Buffer.alloc(24)
  let bits = 0
  let held = 0
  let at = 0
  for (const letter of text) {
    held = (held << 5) | alphabet.indexOf(letter)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (held >>> bits) & 255
    }
    held &= (1 << bits) - 1
  }
  // The three spare bits must be zero, so that one delivery has one code.
  return held === 0 ? bytes : null
}
