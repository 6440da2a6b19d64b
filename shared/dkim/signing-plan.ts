import { type PreparedLetter, type Slot, slots } from '../letter/letter.ts'
import type { Piece } from '../letter/pieces.ts'
import { relaxedBody, relaxedField } from './relaxed.ts'

/** What signing a letter needs and is the same for all its readers. */
export type SigningPlan = {
  /** The domain of the address in From. */
  readonly fromDomain: string
  /** The value of `h=`: the fields signed, in the order in which they are signed. */
  readonly names: readonly string[]
  /** The fields signed, with a reader's values between. */
  readonly fields: readonly Piece[]
  /** The body up to the first reader's value. */
  readonly bodyStart: string
  /** The body from there on. */
  readonly bodyRest: readonly (Slot | Buffer)[]
}

/** Everything a mail program shows, files by or acts upon. RFC 8058 4 wants both fields of the one-click link signed. */
const signedNames = new Set([
  'from',
  'reply-to',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'content-language',
  'list-id',
  'list-help',
  'list-archive',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'precedence',
  'feedback-id',
  'auto-submitted',
  'x-auto-response-suppress',
])

/**
 * Signed once more than they stand in the letter (RFC 6376 8.15): nobody can add a second one, or a first, that a mail
 * program would show in place of ours, and keep our signature.
 */
const guardedNames = ['from', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'mime-version', 'content-type']

const plans = new WeakMap<PreparedLetter, SigningPlan>()

export function planOf(prepared: PreparedLetter): SigningPlan {
  const known = plans.get(prepared)
  if (known) return known
  const plan = makePlan(prepared)
  plans.set(prepared, plan)
  return plan
}

function makePlan(prepared: PreparedLetter): SigningPlan {
  const letter = markedLetter(prepared)
  const headEnd = letter.indexOf('\r\n\r\n')
  if (headEnd === -1) throw new Error('a letter without a body cannot be signed')
  const written = letter
    .slice(0, headEnd)
    .split(/\r\n(?![ \t])/)
    .map(relaxedField)
  // From the last to the first: of fields with the same name a verifier takes the lowest first (RFC 6376 5.4.2).
  const signed = written.reverse().filter((field) => signedNames.has(nameOf(field)))
  const [start = '', ...rest] = parted(relaxedBody(letter.slice(headEnd + '\r\n\r\n'.length)))
  const from = signed.find((field) => nameOf(field) === 'from') ?? ''
  return {
    fromDomain: from.slice(from.lastIndexOf('@') + 1).replace(/[>\s]/g, ''),
    names: [...signed.map(nameOf), ...guardedNames],
    fields: parted(signed.join('')),
    bodyStart: start as string,
    bodyRest: rest.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece.slot)),
  }
}

const nameOf = (field: string) => field.slice(0, field.indexOf(':'))

/*
 * The letter as one text in which a character that no letter holds stands for each reader's value. To the canonical
 * form it is a character like any other, and so is the value: none begins or ends in a blank or has two in a row.
 */
function markedLetter({ segments, slots: between }: PreparedLetter): string {
  const wire = segments.map((segment, n) => segment.toString() + (between[n] ? markOf(between[n]) : '')).join('')
  // The segments are wire bytes: a dot doubled for SMTP is one dot in the letter (RFC 5321 4.5.2).
  return wire.replaceAll('\r\n..', '\r\n.')
}

/** Unicode keeps U+FDD0 and on out of every text; ours is ASCII on the wire anyhow. */
const firstMark = 0xfdd0
const markOf = (slot: Slot) => String.fromCharCode(firstMark + slots.indexOf(slot))
const marks = new RegExp(`([${slots.map(markOf).join('')}])`)

const parted = (text: string): Piece[] =>
  text.split(marks).map((part, n) => (n % 2 === 0 ? narrow(part) : { slot: slots[part.charCodeAt(0) - firstMark]! }))

/** V8 keeps a text with a mark in it, and every piece cut from it, in two bytes a character; writing those costs twice. */
function narrow(text: string): string {
  const bytes = Buffer.from(text)
  return bytes.length === text.length ? bytes.toString('latin1') : text
}
