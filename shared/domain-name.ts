import { domainToASCII } from 'node:url'

/** A name in DNS, in A-labels and lower case; `null` for what is none. Nothing at all has been told of elsewhere. */
export function readDomain(text: string): string | null {
  const domain = domainToASCII(text)
  return text === '' || isDomain.test(domain) ? domain : null
}

// Digits alone at the end make an IP address of it.
const isDomain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9-]{2,63}$/
