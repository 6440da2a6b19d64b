import { createHmac, timingSafeEqual } from 'node:crypto'
import type { LinkKeys } from './token.ts'

/**
 * The code a delivery carries in its envelope sender and its Message-ID, so that a bounce can be told from a forgery:
 * two 8-byte numbers and 80 bits of HMAC, in base32 because mail hosts fold the case of addresses. 42 characters, which
 * with its prefix stays under the 64 of a local part (RFC 5321 4.5.3.1.1).
 */
export function sealDeliveryCode(keys: LinkKeys, mailing: bigint, subscription: bigint): string {
  const bytes = Buffer.allocUnsafe(26)
  bytes.writeBigUInt64BE(mailing, 0)
  bytes.writeBigUInt64BE(subscription, 8)
  macOf(keys.byPurpose.bounce[0]!, bytes.subarray(0, 16)).copy(bytes, 16, 0, 10)
  return toBase32(bytes)
}

/** The mailing and subscription a code names, or `null` when it is not one of ours. */
export function openDeliveryCode(keys: LinkKeys, code: string): { mailing: bigint; subscription: bigint } | null {
  const bytes = fromBase32(code.toLowerCase())
  if (bytes === null) return null
  const payload = bytes.subarray(0, 16)
  const ours = keys.byPurpose.bounce.some((key) =>
    timingSafeEqual(macOf(key, payload).subarray(0, 10), bytes.subarray(16)),
  )
  return ours ? { mailing: payload.readBigUInt64BE(0), subscription: payload.readBigUInt64BE(8) } : null
}

const macOf = (key: Buffer, payload: Buffer) => createHmac('sha256', key).update(payload).digest()

// RFC 4648 base32 in lower case, without padding: 26 bytes are 208 bits, 42 characters with 2 bits to spare.
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

const letters = Buffer.from(alphabet)

function toBase32(bytes: Buffer): string {
  // Letter by letter into bytes, not into a string: half a million times a minute, a string of 42 joints is slow to read.
  const text = Buffer.allocUnsafe(42)
  let at = 0
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text[at++] = letters[(held >>> bits) & 31]!
    }
    held &= (1 << bits) - 1
  }
  text[at] = letters[(held << (5 - bits)) & 31]!
  return text.toString('latin1')
}

function fromBase32(text: string): Buffer | null {
  if (!/^[a-z2-7]{42}$/.test(text)) return null
  const bytes = Buffer.alloc(26)
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
  // The two spare bits must be zero, so that one delivery has one code.
  return held === 0 ? bytes : null
}
