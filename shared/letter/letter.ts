import type { Language } from '../language/language.ts'

/**
 * A letter prepared once per mailing and language. `segments` are wire bytes (CRLF, dots stuffed, quoted-printable
 * bodies); between segment i and i + 1 stands the value of the slot named `slots[i]`.
 */
export type PreparedLetter = {
  readonly language: Language
  readonly subject: string
  readonly segments: readonly Buffer[]
  readonly slots: readonly Slot[]
}

/** What differs from reader to reader, and nothing else does. */
export const slots = ['to', 'messageId', 'date', 'token'] as const
export type Slot = (typeof slots)[number]

/**
 * One reader's values. `to` is a bare address in wire form (A-labels); `token` is 64 characters of base64url, so no
 * encoder ever needs to escape it; `messageId` comes without angle brackets; `date` is in RFC 5322 form.
 */
export type ReaderSlots = Readonly<Record<Slot, string>>
