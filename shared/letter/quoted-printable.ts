import { type Piece, tokenLength } from './pieces.ts'

/**
 * Quoted-printable (RFC 2045 6.7) that knows where the slots are: a soft line break never cuts one, and the line that
 * holds one stays within 76 octets. A dot or “From ” at the start of a line is written as octets in hexadecimal, so
 * nothing here ever needs dot stuffing, in SMTP or on the way to a mailbox.
 */
export function encodeQuotedPrintable(pieces: readonly Piece[]): Piece[] {
  const encoded: Piece[] = []
  let out = ''
  let column = 0

  const put = (code: string) => {
    if (column + code.length > 75) softBreak()
    out += column === 0 && code === '.' ? '=2E' : code
    column += column === 0 && code === '.' ? 3 : code.length
  }
  const softBreak = () => {
    out += '=\r\n'
    column = 0
  }

  for (const [index, piece] of pieces.entries()) {
    if (typeof piece !== 'string') {
      if (column + tokenLength > 75) softBreak()
      encoded.push(out, piece)
      out = ''
      column += tokenLength
      continue
    }
    const bytes = Buffer.from(piece.replace(/\r\n?/g, '\n'))
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === 0x0a) {
        out += '\r\n'
        column = 0
        continue
      }
      const endsLine = at + 1 === bytes.length ? isLineOver(pieces, index + 1) : bytes[at + 1] === 0x0a
      const isFrom =
        (column === 0 || column === 75) && byte === 0x46 && bytes.toString('latin1', at, at + 5) === 'From '
      put(isPlain(byte, endsLine) && !isFrom ? String.fromCharCode(byte) : hex(byte))
    }
  }
  encoded.push(out)
  return encoded
}

/** Whether nothing more stands on the line when the pieces go on from there. */
function isLineOver(pieces: readonly Piece[], from: number): boolean {
  const next = pieces.slice(from).find((piece) => piece !== '')
  return next === undefined || (typeof next === 'string' && /^[\r\n]/.test(next))
}

// A space or tab may not end a line: relays strip it.
const isPlain = (byte: number, endsLine: boolean) =>
  byte === 0x20 || byte === 0x09 ? !endsLine : byte > 0x20 && byte < 0x7f && byte !== 0x3d

const hex = (byte: number) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
