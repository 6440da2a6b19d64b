import { readSmtpUrl } from '../transport/smtp-url.ts'
import { parseUrl } from '../web-address.ts'

/*
 * What is wrong with a setting that is right by its kind: `null`, or words that follow its name and repeat no secret. Each is
 * asked where settings are read, because whoever uses the value finds out when all else is open already.
 */

export function mailHostFault(text: string): string | null {
  try {
    readSmtpUrl(text)
    return null
  } catch (error) {
    return `cannot be used: ${(error as Error).message}.`
  }
}

/** Taken apart by ioredis, which stumbles over what is not percent-encoded UTF-8. */
export function redisFault(text: string): string | null {
  const { username, password } = parseUrl(text)!
  try {
    decodeURIComponent(`${username}${password}`)
    return null
  } catch {
    return 'holds a % that begins no escape of UTF-8: in a password it is written %25.'
  }
}

/** Paths are put behind it, in every letter. */
export function publicAddressFault(text: string): string | null {
  const { username, password } = parseUrl(text)!
  return /[?#]/.test(text) || username !== '' || password !== ''
    ? 'must be an address alone: no login, and nothing behind a ? or #.'
    : null
}
