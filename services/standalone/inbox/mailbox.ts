import { domainToASCII } from 'node:url'

/** One spelling of an address, to compare by: mail hosts tell neither case nor the two forms of a domain apart. */
export function mailboxKey(address: string): string {
  const trimmed = address.trim().toLowerCase()
  const at = trimmed.lastIndexOf('@')
  return at < 0 ? trimmed : `${trimmed.slice(0, at)}@${domainKey(trimmed.slice(at + 1))}`
}

/** One spelling of a domain; what is no domain stays as it is. */
export function domainKey(domain: string): string {
  const lower = domain.trim().toLowerCase()
  return domainToASCII(lower) || lower
}
