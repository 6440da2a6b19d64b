import { createHmac, timingSafeEqual } from 'node:crypto'

/** The three headers of Standard Webhooks 1.0, as they came. */
export type SignedHeaders = {
  readonly id: string | undefined
  readonly timestamp: string | undefined
  readonly signature: string | undefined
}

/** Seconds a webhook's time may differ from ours, either way. */
const tolerance = 300

/**
 * Whether a body is signed by one of the secrets (`whsec_` + base64), over its raw bytes, at a time near now
 * (Standard Webhooks 1.0, “Verifying signatures”). Several signatures and several secrets may be live while rotating;
 * any one pair that fits is enough, and versions we do not know are passed over.
 */
export function isSigned(headers: SignedHeaders, body: Buffer, secrets: readonly string[], now: Date): boolean {
  if (!isSignable(headers, now)) return false
  const { id, timestamp, signature } = headers as { [Name in keyof SignedHeaders]: string }
  const offered = signature
    .split(' ')
    .slice(0, 20)
    .filter((part) => part.startsWith('v1,'))
    .map((part) => Buffer.from(part.slice(3), 'base64'))
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
    return offered.some((mac) => mac.length === expected.length && timingSafeEqual(mac, expected))
  })
}

/** Whether it could be signed at all: what is missing, malformed or too old needs no key to be told from what is. */
export function isSignable({ id, timestamp, signature }: SignedHeaders, now: Date): boolean {
  // The id is parted from the rest by a dot in the signed text, so one that holds a dot could be read two ways.
  if (!id || id.length > 255 || id.includes('.') || !timestamp || !signature) return false
  if (!/^\d{1,12}$/.test(timestamp)) return false
  return Math.abs(Math.floor(now.getTime() / 1000) - Number(timestamp)) <= tolerance
}
