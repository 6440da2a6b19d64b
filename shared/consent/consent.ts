import { createHmac } from 'node:crypto'
import type { Language } from '../language/language.ts'
import type { Subscription } from '../subscription/subscription.ts'

export const consentActs = ['requested', 'confirmed', 'changed', 'disowned', 'ended', 'lapsed', 'imported'] as const
export type ConsentAct = (typeof consentActs)[number]

/** What an act changed, each by its name with its value before and after. Never an address. */
export type ConsentDetail = Readonly<Record<string, readonly [before: unknown, after: unknown]>>

/** What a reader agreed to or ended, in which words, through which door: the evidence GDPR article 7 asks for. */
export type ConsentEntry = {
  readonly act: ConsentAct
  readonly subscription: Pick<Subscription, 'id' | 'newsroomId' | 'subscriberId'>
  readonly door: string
  readonly language?: Language
  /** The words the reader saw, with their version; see `versionedWording`. */
  readonly wording?: string
  readonly formUrl?: string
  readonly originHash?: Buffer
  /** The mailing whose link was used; absent when it was none. */
  readonly mailingId?: string
  /** What was wished for, as it was agreed to. */
  readonly wishes?: { readonly language: Language; readonly topics: readonly string[]; readonly frequency: string }
  readonly detail?: ConsentDetail
}

/** Raised whenever the words beside the button change in any language, so that evidence tells which were shown. */
export const wordingVersion = '2026-11'

export const versionedWording = (words: string) => `${wordingVersion}: ${words}`

/** Where a reader came from, kept so that two acts can be shown to have one origin and nobody can be found by it. */
export const originHash = (hashKey: Buffer, ip: string, agent: string): Buffer =>
  createHmac('sha256', hashKey).update(`origin\0${ip}\0${agent}`).digest()
