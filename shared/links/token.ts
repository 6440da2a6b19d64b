import { hkdfSync, timingSafeEqual } from 'node:crypto'
import { type MacKey, macKey, macOf, payloadBytes } from './mac.ts'

/**
 * Links prove themselves: a token is its payload and a MAC over purpose and payload, so that nothing in the database
 * can make one, a token of one purpose opens no other door, and no row needs to be looked up to refuse a forgery.
 * Letters carry `unsubscribe` tokens for years, so keys are never dropped while a letter signed by them may be read:
 * the first key makes, all of them open.
 */
export const linkPurposes = [
  'unsubscribe',
  'confirm',
  'form',
  'challenge',
  'new-address',
  'old-address',
  'my-data',
  'erase',
] as const
/** `unsubscribe` opens the page of preferences as well: both links are in the same letters, to the same reader. */
export type LinkPurpose = (typeof linkPurposes)[number]
export type LinkKeys = { readonly byPurpose: Readonly<Record<LinkPurpose, readonly MacKey[]>> }

export function linkKeys(secrets: readonly string[]): LinkKeys {
  const derive = (purpose: LinkPurpose) =>
    secrets.map((secret) => macKey(Buffer.from(hkdfSync('sha256', secret, 'pressebud', `link:${purpose}`, 32))))
  const keys = linkPurposes.map((purpose): [LinkPurpose, MacKey[]] => [purpose, derive(purpose)])
  return { byPurpose: Object.fromEntries(keys) as Record<LinkPurpose, MacKey[]> }
}

const macBytes = 24

/** 64 characters of base64url: three 8-byte numbers, then 192 bits of HMAC-SHA256. */
export const sealToken = (keys: LinkKeys, purpose: LinkPurpose, numbers: readonly [bigint, bigint, bigint]): string =>
  sealWithRest(keys, purpose, numbers, unasked, 0)

/**
 * A token. What a MAC of the same numbers has left over is put into `rest`, from `at` on: 64 bits that prove them elsewhere. Those
 * are of the last key, which never leaves: a Message-ID is made of them, and a letter that is sent again while keys are changed must
 * have the one it had.
 */
export function sealWithRest(
  keys: LinkKeys,
  purpose: LinkPurpose,
  numbers: readonly [bigint, bigint, bigint],
  rest: Buffer,
  at: number,
): string {
  writeNumbers(sealing, numbers)
  const those = keys.byPurpose[purpose]
  const mac = macOf(those[0]!, sealedPayload)
  mac.copy(sealing, payloadBytes, 0, macBytes)
  const lasting = those.length === 1 ? mac : macOf(those.at(-1)!, sealedPayload)
  lasting.copy(rest, at, macBytes)
  return sealing.toString('base64url')
}

/** Where tokens are put together, one after another: a buffer for each letter is more to make and collect than to fill. */
const sealing = Buffer.alloc(payloadBytes + macBytes)
const sealedPayload = sealing.subarray(0, payloadBytes)
const unasked = Buffer.alloc(8)

/** Whether `rest` is what is left over of the MAC of these numbers, under any of the keys. */
export function provesRest(
  keys: LinkKeys,
  purpose: LinkPurpose,
  numbers: readonly [bigint, bigint, bigint],
  rest: Buffer,
): boolean {
  const payload = Buffer.allocUnsafe(payloadBytes)
  writeNumbers(payload, numbers)
  return keys.byPurpose[purpose].some((key) => timingSafeEqual(macOf(key, payload).subarray(macBytes), rest))
}

/** The numbers sealed in a token, or `null` when it is not one of ours for this purpose. */
export function openToken(keys: LinkKeys, purpose: LinkPurpose, token: string): [bigint, bigint, bigint] | null {
  // Only the canonical spelling opens: base64url readers forgive much, and one link must have one form.
  if (!/^[A-Za-z0-9_-]{64}$/.test(token)) return null
  const bytes = Buffer.from(token, 'base64url')
  const payload = bytes.subarray(0, payloadBytes)
  const ours = keys.byPurpose[purpose].some((key) =>
    timingSafeEqual(macOf(key, payload).subarray(0, macBytes), bytes.subarray(payloadBytes)),
  )
  return ours ? [payload.readBigUInt64BE(0), payload.readBigUInt64BE(8), payload.readBigUInt64BE(16)] : null
}

function writeNumbers(bytes: Buffer, numbers: readonly [bigint, bigint, bigint]): void {
  bytes.writeBigUInt64BE(numbers[0], 0)
  bytes.writeBigUInt64BE(numbers[1], 8)
  bytes.writeBigUInt64BE(numbers[2], 16)
}
