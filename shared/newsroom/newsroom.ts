import type { Brand } from '../brand.ts'
import type { Language } from '../language/language.ts'
import { parseAddress } from '../subscriber/address.ts'

export type NewsroomId = Brand<string, 'NewsroomId'>

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
}

/** A newsroom's name in addresses, as the table checks it too. */
export const slugPattern = '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'

/** Why a newsroom cannot be made so: one plain sentence each, or nothing. */
export function newsroomFaults(draft: Omit<Newsroom, 'id'>): string[] {
  const faults: string[] = []
  if (!new RegExp(slugPattern).test(draft.slug))
    faults.push('The slug may hold only lower-case letters, digits and hyphens, 63 at most.')
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
  return faults
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

// A header is one line: whatever could end it early is refused where it enters.
const hasControl = (text: string) => /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)
