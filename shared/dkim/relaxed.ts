/*
 * The form in which a letter is hashed and signed, called “relaxed” (RFC 6376 3.4.2 and 3.4.4): what mail hosts change
 * on the way, blanks and folds and the case of names, makes no difference to it.
 */

/** One header field, with the line break that ends it in this form. */
export function relaxedField(field: string): string {
  const colon = field.indexOf(':')
  const value = relaxedBlanks(field.slice(colon + 1).replaceAll('\r\n', '')).replace(/^ | $/g, '')
  return `${field
    .slice(0, colon)
    .replace(/[ \t]+$/, '')
    .toLowerCase()}:${value}\r\n`
}

/** A body; it ends in one line break, unless there is nothing in it. */
export function relaxedBody(body: string): string {
  const lines = relaxedBlanks(body).replace(/ (?=\r\n|$)/g, '')
  const end = lastWritten(lines)
  return end === 0 ? '' : `${lines.slice(0, end)}\r\n`
}

const relaxedBlanks = (text: string) => text.replace(/[ \t]+/g, ' ')

// By hand: `/(\r\n)*$/` would look at every line break of a long letter in turn.
function lastWritten(text: string): number {
  let end = text.length
  while (text.endsWith('\r\n', end)) end -= 2
  return end
}
