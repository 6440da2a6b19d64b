import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { NewsroomKeyId, SealedKey } from './newsroom-key.ts'

/**
 * A newsroom's webhook secret signs in both directions, so it cannot be kept as a hash. It is sealed instead: AES-256-GCM
 * under a key made from SECRET_KEY, bound to the id of its row, so that a dump of the table signs nothing and a sealed
 * secret copied to another row does not open there.
 */
export type SealingKeys = readonly Buffer[]

/** One sealing key for each secret in SECRET_KEY, in its order: the first seals, all of them open. */
export const sealingKeys = (secrets: readonly string[]): SealingKeys =>
  secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, 'pressebud', 'newsroom-key', 32)))

/** A new secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64. */
export const makeSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

export function sealSecret(keys: SealingKeys, id: NewsroomKeyId, secret: string): Buffer {
  const first = keys[0]
  if (!first) throw new Error('SECRET_KEY is empty, so a secret cannot be sealed.')
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', first, nonce).setAAD(Buffer.from(id))
  return Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

export class SecretNotOpened extends Error {
  constructor(id: NewsroomKeyId) {
    super(
      `None of the secrets in SECRET_KEY opens newsroom key ${id}. Put the one it was made under back into the list, or end the key.`,
    )
    this.name = 'SecretNotOpened'
  }
}

export function openSecret(keys: SealingKeys, id: NewsroomKeyId, sealed: Buffer): string {
  const secret = openOrNull(keys, id, sealed)
  if (secret === null) throw new SecretNotOpened(id)
  return secret
}

/**
 * The secrets of a newsroom's keys, in their order. One key that does not open must not shut out the others: it is told and
 * passed over. Where none of them opens, SECRET_KEY is not the one it was.
 */
export function openSecrets(
  keys: SealingKeys,
  sealed: readonly SealedKey[],
  tellPassedOver: (id: NewsroomKeyId) => void,
): string[] {
  const opened = sealed.map((key) => openOrNull(keys, key.id, key.sealed))
  if (sealed.length > 0 && opened.every((secret) => secret === null)) throw new SecretNotOpened(sealed[0]!.id)
  for (const [index, secret] of opened.entries()) if (secret === null) tellPassedOver(sealed[index]!.id)
  return opened.filter((secret) => secret !== null)
}

// 96 bits drawn at random: GCM's own size, and keys are made by hand, far from the 2^32 where drawing ends being safe.
const nonceBytes = 12
const tagBytes = 16

function openOrNull(keys: SealingKeys, id: NewsroomKeyId, sealed: Buffer): string | null {
  for (const key of keys) {
    const secret = openUnder(key, id, sealed)
    if (secret !== null) return secret
  }
  return null
}

function openUnder(key: Buffer, id: NewsroomKeyId, sealed: Buffer): string | null {
  if (sealed.length < nonceBytes + tagBytes) return null
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(id)).setAuthTag(sealed.subarray(-tagBytes))
  const opened = decipher.update(sealed.subarray(nonceBytes, -tagBytes))
  try {
    return Buffer.concat([opened, decipher.final()]).toString('utf8')
  } catch {
    // The tag does not fit: sealed under another key or for another row. Which of them is nobody's business.
    return null
  }
}
