import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { parseUrl } from '../web-address.ts'

/** Where the mail host is and how it wants to be spoken to, as `SMTP_URL` says. */
export type SmtpSettings = {
  readonly host: string
  readonly port: number
  readonly tls: SmtpTls
  /** A file of certificates to trust instead of the system's. */
  readonly caFile: string | null
  readonly login: { readonly user: string; readonly password: string } | null
}

/**
 * `implicit`: from the first byte (`smtps:`). `required`: STARTTLS or no letter. `optional`: STARTTLS where offered.
 * `never`: clear text. Wherever TLS is spoken the certificate is checked, and a failure never falls back to clear text.
 */
export type SmtpTls = 'implicit' | 'required' | 'optional' | 'never'

const defaultTls = (host: string): SmtpTls => (isLoopback(host) ? 'never' : 'required')

/** Throws on a mistake, with a message that repeats neither user nor password. */
export function readSmtpUrl(text: string): SmtpSettings {
  const url = parseUrl(text)
  if (!url || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:')) throw new Error('not an smtp: or smtps: URL')
  if (url.pathname !== '' && url.pathname !== '/') throw new Error('an SMTP URL has no path')
  const host = hostOf(url)
  const login = loginOf(url)
  const tls = url.protocol === 'smtps:' ? 'implicit' : (askedTls(url) ?? defaultTls(host))
  if (login && tls === 'never' && !isLoopback(host))
    throw new Error('a password is not sent without TLS: drop tls=never')
  const port = url.port === '' ? standardPort(tls, login !== null) : Number(url.port)
  return { host, port, tls, caFile: url.searchParams.get('ca'), login }
}

/** What is wrong with the file that `?ca=` names, as a sentence on the setting. A URL that is wrong itself is told elsewhere. */
export function certificateFaults(
  url: string | null | undefined,
  readFile: (path: string) => string,
): readonly string[] {
  const caFile = parseUrl(url ?? '')?.searchParams.get('ca')
  if (!caFile) return []
  try {
    readFile(caFile)
    return []
  } catch (error) {
    return [`SMTP_URL names certificates that cannot be read (${(error as NodeJS.ErrnoException).code}).`]
  }
}

/** Whether what is sent to `host` stays on this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function hostOf(url: URL): string {
  const isBracketed = url.hostname.startsWith('[')
  const host = isBracketed ? url.hostname.slice(1, -1) : domainToASCII(decode(url.hostname))
  if (host === '') throw new Error('an SMTP URL names a host')
  return host
}

function loginOf(url: URL): SmtpSettings['login'] {
  if (url.username === '' && url.password === '') return null
  const login = { user: decode(url.username), password: decode(url.password) }
  if (login.user === '' || login.password === '') throw new Error('a login is a user and a password')
  // AUTH PLAIN parts its fields with NUL (RFC 4616).
  if (`${login.user}${login.password}`.includes('\0')) throw new Error('a login cannot hold NUL')
  return login
}

function askedTls(url: URL): SmtpTls | null {
  // What is none of the two may be the rest of a password that holds a ?.
  for (const name of url.searchParams.keys()) {
    if (name !== 'tls' && name !== 'ca') throw new Error('an SMTP URL knows ?tls= and ?ca=, and nothing else')
  }
  const asked = url.searchParams.get('tls')
  if (asked === null || asked === 'required' || asked === 'optional' || asked === 'never') return asked
  throw new Error('?tls= is required, optional or never')
}

// RFC 8314 3.3 and RFC 6409: submission, which asks for a login, has ports of its own.
function standardPort(tls: SmtpTls, hasLogin: boolean): number {
  if (tls === 'implicit') return 465
  return hasLogin ? 587 : 25
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('an SMTP URL is percent-encoded as UTF-8')
  }
}
