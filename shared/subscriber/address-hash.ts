import { createHmac, hkdfSync } from 'node:crypto'

/**
 * A suppression outlives its address as a keyed hash: whoever holds the table cannot try addresses against it, and we
 * can still recognise one that comes back.
 *
 * The key comes from the *last* secret listed in SECRET_KEY, the oldest one. Everything else is made under the first,
 * but a hash whose address has been erased can never be made again under a newer key: were the first secret used, every
 * rotation would forget whom not to write to. So a secret is rotated in front, and the last one stays.
 */
export function addressHashKey(secrets: readonly string[]): Buffer {
  const oldest = secrets.at(-1)
  if (oldest === undefined) throw new Error('SECRET_KEY is empty, so addresses cannot be hashed.')
  return Buffer.from(hkdfSync('sha256', oldest, 'pressebud', 'address-hash', 32))
}

/** HMAC-SHA256 of the form in which two spellings of an address are one. */
export const hashAddress = (key: Buffer, addressKey: string): Buffer =>
  createHmac('sha256', key).update(addressKey, 'utf8').digest()
