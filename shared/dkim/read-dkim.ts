import { readDomain } from '../domain-name.ts'
import { type DkimAlgorithm, type DkimIdentity, type DkimKey, goodRsaBits, readDkimKey } from './dkim-key.ts'

export const dkimSettings = [
  'DKIM_DOMAIN',
  'DKIM_SELECTOR',
  'DKIM_RSA_KEY_FILE',
  'DKIM_ED25519_SELECTOR',
  'DKIM_ED25519_KEY_FILE',
] as const
type Name = (typeof dkimSettings)[number]
export type DkimSettings = { readonly [N in Name]?: string | null }

/** What the settings come to. Without an identity and without a fault, letters are not signed by us. */
export type DkimReading = {
  readonly identity: DkimIdentity | null
  readonly faults: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Reads the settings that belong together. RSA is needed and Ed25519 may stand beside it, never alone: there are
 * mailboxes that know only the one.
 */
export function readDkim(settings: DkimSettings, readFile: (path: string) => string): DkimReading {
  const set = dkimSettings.filter((name) => settings[name])
  if (set.length === 0) return { identity: null, faults: [], warnings: [] }
  const faults: string[] = []
  const warnings: string[] = []

  const given = (name: Name, known: string): string => {
    const value = settings[name]
    if (!value) faults.push(`${name} is not set, and ${known} is: letters are signed with all of these, or not at all.`)
    return value ?? ''
  }
  const domain = readDomain(given('DKIM_DOMAIN', set[0]!))
  if (domain === null) faults.push('DKIM_DOMAIN is not a domain.')

  const readKey = (algorithm: DkimAlgorithm, selectorName: Name, fileName: Name, known: string): DkimKey | null => {
    const selector = given(selectorName, known)
    if (selector && !isSelector(selector)) faults.push(`${selectorName} ${notSelector}`)
    const path = given(fileName, known)
    if (!path) return null
    const key = readKeyFile(algorithm, path, readFile)
    if ('fault' in key) {
      faults.push(`${fileName} ${key.fault}`)
      return null
    }
    if (algorithm === 'rsa-sha256' && key.bits < goodRsaBits)
      warnings.push(`${fileName} holds an RSA key of ${key.bits} bits; ${goodRsaBits} is what mailboxes expect today.`)
    return { algorithm, selector, privateKey: key.privateKey }
  }
  const rsa = readKey('rsa-sha256', 'DKIM_SELECTOR', 'DKIM_RSA_KEY_FILE', set[0]!)
  const second = set.find((name) => name === 'DKIM_ED25519_SELECTOR' || name === 'DKIM_ED25519_KEY_FILE')
  const ed25519 = second ? readKey('ed25519-sha256', 'DKIM_ED25519_SELECTOR', 'DKIM_ED25519_KEY_FILE', second) : null
  if (rsa && ed25519 && rsa.selector.toLowerCase() === ed25519.selector.toLowerCase())
    faults.push('DKIM_ED25519_SELECTOR must not be DKIM_SELECTOR: a selector publishes one key.')

  if (faults.length > 0) return { identity: null, faults, warnings }
  return { identity: { domain: domain!, keys: [rsa!, ...(ed25519 ? [ed25519] : [])] }, faults, warnings }
}

/** RFC 6376 3.1: labels of a name in DNS, parted by dots. */
export const isSelector = (text: string) =>
  /^(?=.{1,63}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(text)
export const notSelector = 'must be letters, digits, hyphens and dots, 63 at most, as a name in DNS has them.'

function readKeyFile(algorithm: DkimAlgorithm, path: string, readFile: (path: string) => string) {
  let pem: string
  try {
    pem = readFile(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no reason given'
    return { fault: `cannot be read (${code}).` }
  }
  return readDkimKey(algorithm, pem)
}
