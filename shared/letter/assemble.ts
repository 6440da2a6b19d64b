import type { Language } from '../language/language.ts'
import type { PreparedLetter, Slot } from './letter.ts'
import type { Piece } from './pieces.ts'
import { encodeQuotedPrintable } from './quoted-printable.ts'

export type LetterParts = {
  readonly language: Language
  readonly subject: string
  readonly headers: readonly Piece[]
  readonly text: readonly Piece[]
  readonly html: readonly Piece[]
}

/** The whole letter as it goes on the wire, plain text first and HTML last (RFC 2046 5.1.4: best last). */
export function assembleLetter({ language, subject, headers, text, html }: LetterParts): PreparedLetter {
  const pieces: Piece[] = [
    ...headers,
    `Content-Type: multipart/alternative; boundary="${boundary}"\r\n\r\n`,
    ...part('text/plain', text),
    ...part('text/html', html),
    `--${boundary}--\r\n`,
  ]
  return { language, subject, ...segmented(pieces) }
}

// Quoted-printable writes `=` only before two hexadecimal digits or a line end, so no body can hold this.
const boundary = '=_pressebud'

const part = (type: string, content: readonly Piece[]): Piece[] => [
  `--${boundary}\r\nContent-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n`,
  ...encodeQuotedPrintable(content),
  '\r\n',
]

function segmented(pieces: readonly Piece[]): { segments: Buffer[]; slots: Slot[] } {
  const segments: Buffer[] = []
  const slots: Slot[] = []
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') text += piece
    else {
      segments.push(Buffer.from(text))
      slots.push(piece.slot)
      text = ''
    }
  }
  return { segments: [...segments, Buffer.from(text)], slots }
}
