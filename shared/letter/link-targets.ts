import { parseUrl } from '../web-address.ts'
import { oneLine } from './foreign-text.ts'

/** A foreign address as a link may carry it: http or https and well formed, else `null`. */
export function webUrl(foreign: string): string | null {
  // The parser drops tabs and line breaks silently, so `oneLine` first: what is shown is what is parsed.
  const url = /^https?:\/\//i.test(foreign.trim()) ? parseUrl(oneLine(foreign)) : null
  // `https://bank.example@evil.example/` reads as one place and opens another.
  return url?.username === '' && url.password === '' ? url.href : null
}

/** `mailto:` for an address in plain form, else `null`; never with the headers a foreign link could add. */
export function mailUrl(foreign: string): string | null {
  const address = foreign.trim()
  return /^[\w.!#$%&'*+/=^`{|}~-]{1,64}@[\p{L}\p{N}.-]{1,253}$/u.test(address)
    ? `mailto:${encodeURIComponent(address).replace('%40', '@')}`
    : null
}

/** `tel:` where the number has enough digits to be dialled, else `null`. */
export function phoneUrl(foreign: string): string | null {
  const number = foreign.replace(/\(0\)/, '').replace(/[^\d+]/g, '')
  return /^\+?\d{3,15}$/.test(number) ? `tel:${number}` : null
}
