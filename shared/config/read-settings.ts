import { isIP } from 'node:net'
import { readDomain } from '../domain-name.ts'
import { parseUrl } from '../web-address.ts'
import { type SettingName, type SettingRow, settingTable } from './settings.ts'

type Table = typeof settingTable
type Value<Row> = Row extends { kind: 'port' | 'count' | 'seconds' }
  ? number
  : Row extends { kind: 'secrets' | 'addresses' }
    ? readonly string[]
    : string
type Given<Row> = Row extends { default: string } | { required: true } ? Value<Row> : Value<Row> | null

export type Settings<Name extends SettingName> = { readonly [N in Name]: Given<Table[N]> }

/** Everything wrong with the settings, one sentence each; nothing secret is repeated. */
export class SettingsFault extends Error {
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'SettingsFault'
  }
}

/**
 * Reads the named settings, or throws one `SettingsFault` telling every mistake at once. `between` tells what is wrong
 * with settings taken together; it is asked even when one of them could not be read and is missing.
 */
export function readSettings<Name extends SettingName>(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly Name[],
  between: (found: Partial<Settings<Name>>) => readonly string[] = () => [],
): Settings<Name> {
  const faults: string[] = []
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const row: SettingRow = settingTable[name]
    const text = env[name]?.trim() || row.default
    if (text === null || text === undefined) {
      values[name] = null
      if (row.required) faults.push(`${name} is not set. ${row.reason}`)
      continue
    }
    const read = readOne(row, text)
    if ('fault' in read) faults.push(`${name} ${read.fault}`)
    else values[name] = read.value
  }
  faults.push(...between(values as Partial<Settings<Name>>))
  if (faults.length > 0) throw new SettingsFault(faults)
  return values as Settings<Name>
}

type Read = { value: unknown } | { fault: string }

function readOne(row: SettingRow, text: string): Read {
  switch (row.kind) {
    case 'url':
      return row.many ? readUrls(text, row) : readUrl(text, row)
    case 'port':
      return readNumber(text, 0, 65_535, 'port')
    case 'count':
    case 'seconds':
      return readNumber(text, row.least ?? 0, row.most ?? Number.MAX_SAFE_INTEGER, row.kind)
    case 'choice':
      return row.choices?.includes(text) ? { value: text } : { fault: `must be one of ${row.choices?.join(', ')}.` }
    case 'secret':
      return text.length >= (row.least ?? 1)
        ? { value: text }
        : { fault: `is too short: ${row.least} characters or more.` }
    case 'secrets': {
      const secrets = text.split(',').map((secret) => secret.trim())
      return secrets.every((secret) => secret.length >= (row.least ?? 1))
        ? { value: secrets }
        : { fault: `is too short: each key needs ${row.least} characters or more.` }
    }
    case 'addresses':
      return readAddresses(text)
    case 'domain': {
      const domain = readDomain(text)
      return domain === null ? { fault: 'is not a domain.' } : { value: domain }
    }
    case 'folder':
    case 'file':
    case 'text':
      return { value: text }
  }
}

/** Several addresses parted by commas, all of one scheme; a comma before anything but a scheme belongs to a password. */
function readUrls(text: string, row: SettingRow): Read {
  const urls = text.split(/,\s*(?=[a-z]+:\/\/)/).map((one) => readUrl(one.trim(), row))
  const wrong = urls.findIndex((read) => 'fault' in read)
  if (wrong !== -1 && urls.length === 1) return urls[0]!
  if (wrong !== -1) return { fault: `(address ${wrong + 1}) ${(urls[wrong] as { fault: string }).fault}` }
  const values = urls.map((read) => (read as { value: string }).value)
  return new Set(values.map((value) => value.split(':')[0])).size === 1
    ? { value: values.join(',') }
    : { fault: `must name all its addresses with one scheme, ${row.schemes?.join(' or ')}.` }
}

function readUrl(text: string, { schemes = [], fault }: SettingRow): Read {
  const wanted = schemes.map((scheme) => `${scheme}://`).join(' or ')
  // The value may hold a password, so the complaint does not repeat it.
  const url = parseUrl(text)
  if (url === null) return { fault: `is not an address that starts with ${wanted}` }
  if (!schemes.includes(url.protocol.slice(0, -1))) return { fault: `must start with ${wanted}` }
  if (url.hostname === '') return { fault: 'names no host.' }
  if (url.protocol === 'http:' && schemes.includes('https') && !isLoopback(url.hostname))
    return {
      fault: 'must be https away from loopback: mailbox providers refuse one-click links that are not (RFC 8058).',
    }
  const another = fault?.(text) ?? null
  return another === null ? { value: text.replace(/\/+$/, '') } : { fault: another }
}

function readNumber(text: string, least: number, most: number, kind: string): Read {
  if (!/^\d{1,15}$/.test(text)) return { fault: `must be a whole number${kind === 'seconds' ? ' of seconds' : ''}.` }
  const value = Number(text)
  return value >= least && value <= most ? { value } : { fault: `must lie between ${least} and ${most}.` }
}

function readAddresses(text: string): Read {
  const addresses = text
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean)
  const wrong = addresses.find((address) => networkFault(address) !== null)
  return wrong === undefined ? { value: addresses } : { fault: `holds “${wrong}”, ${networkFault(wrong)}.` }
}

function networkFault(network: string): string | null {
  const [address = '', prefix] = network.split(/\/(?=\d{1,3}$)/)
  const kind = isIP(address)
  if (kind === 0) return 'which is no IP address or network'
  const most = kind === 4 ? 32 : 128
  // A prefix of 0 would believe everybody, and Fastify refuses it.
  const isRight = prefix === undefined || (Number(prefix) >= 1 && Number(prefix) <= most)
  return isRight ? null : `whose prefix must lie between 1 and ${most}`
}

/** `localhost`, 127.0.0.0/8 and ::1, as a URL's hostname or bare. */
export const isLoopback = (host: string) =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  host === '[::1]' ||
  /^127\.\d+\.\d+\.\d+$/.test(host)
