import type { Piece } from './pieces.ts'

/** RFC 5322 2.1.1 asks for 78; RFC 2047 for 76 where there are encoded words. */
const longestLine = 76

/** One header field, folded at its spaces. The value is ours or already encoded; it holds no line break. */
export function header(name: string, value: string): string {
  const lines: string[] = []
  let line = `${name}:`
  for (const word of value.split(' ')) {
    // Never straight after the colon: some readers take a first line without content for an empty field.
    if (line.length + 1 + word.length > longestLine && line !== `${name}:`) {
      lines.push(line)
      line = ''
    }
    line += ` ${word}`
  }
  return `${[...lines, line].join('\r\n')}\r\n`
}

/** A header field with a reader's value in it, on one line. */
export const slotHeader = (name: string, ...value: readonly Piece[]): Piece[] => [`${name}: `, ...value, '\r\n']
