import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

export type DkimAlgorithm = 'rsa-sha256' | 'ed25519-sha256'

/** A private key, and the selector its public half is published under. */
export type DkimKey = {
  readonly algorithm: DkimAlgorithm
  readonly selector: string
  readonly privateKey: KeyObject
}

/** What an installation signs with: one domain, and one key or two. */
export type DkimIdentity = { readonly domain: string; readonly keys: readonly DkimKey[] }

/** RFC 8301 3.2: signers use 1024 bits at least and 2048 by preference, and verifiers need not know more than 4096. */
export const leastRsaBits = 1024
export const goodRsaBits = 2048
export const mostRsaBits = 4096

const keyTypes: Record<DkimAlgorithm, string> = { 'rsa-sha256': 'rsa', 'ed25519-sha256': 'ed25519' }

/** Reads a private key from PEM; what keeps it from being used is told in words that repeat nothing of it. */
export function readDkimKey(
  algorithm: DkimAlgorithm,
  pem: string,
): { privateKey: KeyObject; bits: number } | { fault: string } {
  const privateKey = privateKeyFrom(pem)
  if (privateKey === null) return { fault: 'holds no private key in PEM that opens without a password.' }
  if (privateKey.asymmetricKeyType !== keyTypes[algorithm])
    return { fault: `holds a key of type ${privateKey.asymmetricKeyType}; ${keyTypes[algorithm]} is wanted here.` }
  const bits = privateKey.asymmetricKeyDetails?.modulusLength ?? 256
  if (algorithm === 'rsa-sha256' && (bits < leastRsaBits || bits > mostRsaBits))
    return { fault: `holds an RSA key of ${bits} bits; verifiers take ${leastRsaBits} to ${mostRsaBits} (RFC 8301).` }
  return { privateKey, bits }
}

function privateKeyFrom(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    return null
  }
}

export function makeDkimKey(algorithm: DkimAlgorithm): KeyObject {
  return algorithm === 'rsa-sha256'
    ? generateKeyPairSync('rsa', { modulusLength: goodRsaBits }).privateKey
    : generateKeyPairSync('ed25519').privateKey
}

/** A record to be published for a key: its full name, and its value on one line. */
export type DkimRecord = { readonly name: string; readonly value: string }

export function dkimRecord(domain: string, { algorithm, selector, privateKey }: DkimKey): DkimRecord {
  return {
    name: `${selector}._domainkey.${domain}`,
    value: `v=DKIM1; k=${keyTypes[algorithm]}; p=${publicPart(privateKey).toString('base64')}`,
  }
}

/** The record as a zone file has it: a string in DNS holds 255 octets, and verifiers join them without a blank. */
export const zoneLines = ({ name, value }: DkimRecord) =>
  `${name}. IN TXT (${value
    .match(/.{1,250}/g)!
    .map((part) => `\n  "${part}"`)
    .join('')} )\n`

/** RSA in its usual wrapping; Ed25519 as its bare 32 octets (RFC 8463 4). */
function publicPart(privateKey: KeyObject): Buffer {
  const publicKey = createPublicKey(privateKey)
  return privateKey.asymmetricKeyType === 'ed25519'
    ? Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
    : publicKey.export({ format: 'der', type: 'spki' })
}
