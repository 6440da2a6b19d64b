import type { Brand } from '../brand.ts'
import type { Language } from '../language/language.ts'
import { parseAddress } from '../subscriber/address.ts'
import { parseUrl } from '../web-address.ts'

export type NewsroomId = Brand<string, 'NewsroomId'>

/** What a newsroom's releases can be about. */
export type Topic = {
  /** Stable, as publishers send it: lower-case letters, digits and hyphens. */
  readonly id: string
  /** Its name in each of the newsroom's languages. */
  readonly names: Partial<Record<Language, string>>
}

/** A publisher with its own readers, sender identity, looks and words. */
export type Newsroom = {
  readonly id: NewsroomId
  /** The newsroom's name in addresses: lower-case letters, digits and hyphens. */
  readonly slug: string
  readonly name: string
  readonly languages: readonly Language[]
  readonly defaultLanguage: Language
  /** IANA time zone, for example `Europe/Oslo`; dates are told in it. */
  readonly zone: string
  /** The address in `From`, and the name before it. */
  readonly senderAddress: string
  readonly senderName: string
  readonly replyTo: string | null
  /** Who writes, as a reader may ask by law: the legal name and a postal address. */
  readonly legalName: string
  readonly postalAddress: string
  readonly website: string | null
  readonly logoUrl: string | null
  /** `#rrggbb`: the newsroom's own colour, used where contrast allows. */
  readonly accent: string
  /** A few sentences about the publisher, per language. */
  readonly about: Partial<Record<Language, string>>
  /** In the newsroom's own order; none: its releases are not told apart. */
  readonly topics: readonly Topic[]
  /** When its digests leave, in its own zone: the hour of the day, and for weekly ones the day (ISO: 1 is Monday). */
  readonly digestHour: number
  readonly digestWeekday: number
  /** Web origins whose own pages may ask by script to follow: `https://www.havneby.example`. */
  readonly allowedOrigins: readonly string[]
}

/** A newsroom's name in addresses, as the table checks it too. */
export const slugPattern = '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'
const slug = new RegExp(slugPattern)
export const isSlug = (text: string) => slug.test(text)

/** Why a newsroom cannot be made so: one plain sentence each, or nothing. */
export function newsroomFaults(draft: Omit<Newsroom, 'id'>): string[] {
  const faults: string[] = []
  if (!isSlug(draft.slug)) faults.push('The slug may hold only lower-case letters, digits and hyphens, 63 at most.')
  if (draft.languages.length === 0) faults.push('A newsroom needs at least one language.')
  if (!draft.languages.includes(draft.defaultLanguage))
    faults.push('The default language must be one of the languages.')
  if (!isZone(draft.zone)) faults.push(`“${draft.zone}” is not a time zone; write it as in Europe/Oslo.`)
  if (!/^#[0-9a-fA-F]{6}$/.test(draft.accent)) faults.push('The accent colour is written as #rrggbb.')
  if (hasControl(`${draft.name}${draft.senderName}${draft.senderAddress}`))
    faults.push('Names and addresses may not hold line breaks or control characters.')
  if (!parseAddress(draft.senderAddress))
    faults.push('The sender address must be one plain email address, as in press@example.com.')
  if (draft.replyTo !== null && !parseAddress(draft.replyTo))
    faults.push('The address for replies must be one plain email address, as in press@example.com.')
  faults.push(...topicFaults(draft))
  if (!isWhole(draft.digestHour, 0, 23)) faults.push('The hour of digests is a whole number from 0 to 23.')
  if (!isWhole(draft.digestWeekday, 1, 7))
    faults.push('The day of weekly digests is a whole number from 1 (Monday) to 7 (Sunday).')
  for (const origin of draft.allowedOrigins)
    if (!isOrigin(origin))
      faults.push(`“${origin}” is no web origin; write it as in https://www.example.com, without a path.`)
  return faults
}

const mostTopics = 50

function topicFaults({ topics, languages }: Omit<Newsroom, 'id'>): string[] {
  const faults: string[] = []
  if (topics.length > mostTopics) faults.push(`A newsroom has ${mostTopics} topics at the most.`)
  if (new Set(topics.map(({ id }) => id)).size < topics.length) faults.push('Two topics have the same id.')
  for (const { id, names } of topics) {
    if (!new RegExp(slugPattern).test(id))
      faults.push(`The topic id “${id}” may hold only lower-case letters, digits and hyphens, 63 at most.`)
    for (const language of languages)
      if (!names[language]?.trim()) faults.push(`The topic “${id}” needs a name in ${language}.`)
    if (hasControl(Object.values(names).join(''))) faults.push(`The names of topic “${id}” may not hold line breaks.`)
  }
  return faults
}

const isWhole = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most

/** A topic's name for a reader of a language. */
export const topicName = ({ id, names }: Topic, language: Language, fallback: Language): string =>
  names[language] ?? names[fallback] ?? id

/** Scheme, host and perhaps a port, as a browser sends them in `Origin`; http only on the publisher's own machine. */
function isOrigin(text: string): boolean {
  // A star is a letter to the parser of addresses; here it would be a wish we do not grant.
  const url = text.includes('*') ? null : parseUrl(text)
  if (url === null) return false
  const { origin, protocol, hostname } = url
  return (
    origin === text &&
    (protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname)))
  )
}

/** Asking costs half a millisecond, each webhook asks, and newsrooms are in a few. Bounded, because names are taken in any case of letters. */
const knownZones = new Set<string>()
const mostKnownZones = 500

export function isZone(zone: string): boolean {
  if (knownZones.has(zone)) return true
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch {
    return false
  }
  if (knownZones.size < mostKnownZones) knownZones.add(zone)
  return true
}

// A header is one line: whatever could end it early is refused where it enters.
const hasControl = (text: string) => /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)
