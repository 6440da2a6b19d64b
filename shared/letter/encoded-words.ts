import { domainToASCII } from 'node:url'
import { oneLine } from './foreign-text.ts'

/** RFC 2047 2: an encoded word is at most 75 characters long, a line that holds one at most 76. */
const longestWord = 75
const longestLine = 76

/** Unstructured header text, such as a subject. `column`: where on its line it starts. */
export function headerText(foreign: string, column: number): string {
  const text = oneLine(foreign)
  return isPlainText(text) ? text : encodedWords(text, column)
}

/** A display name before an address, as an atom, a quoted string or encoded words. */
export function headerPhrase(foreign: string, column: number): string {
  const text = oneLine(foreign)
  if (/^[A-Za-z0-9]+( [A-Za-z0-9]+)*$/.test(text) && isPlainText(text)) return text
  // A quoted string cannot be folded safely everywhere, so a long one is encoded.
  if (isPlainText(text) && text.length < 60) return text === '' ? '' : `"${text.replace(/["\\]/g, '\\$&')}"`
  return encodedWords(text, column)
}

/** `Name <address>`; throws for what is not one plain address, because a header with two would be someone else's mail. */
export function mailbox(name: string, address: string, column: number): string {
  const phrase = headerPhrase(name, column)
  return phrase === '' ? `<${wireAddress(address)}>` : `${phrase} <${wireAddress(address)}>`
}

/** An address as it stands on the wire: the domain in A-labels. */
export function wireAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const domain = domainToASCII(address.slice(at + 1))
  if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/.test(local) || domain === '' || /[^A-Za-z0-9.-]/.test(domain))
    throw new RangeError('A sender or reply address is not one plain email address')
  return `${local}@${domain}`
}

// `=?` would be read as an encoded word, and a word longer than a line could not be folded.
const isPlainText = (text: string) => /^[\x20-\x7e]*$/.test(text) && !text.includes('=?') && !/\S{61}/.test(text)

function encodedWords(text: string, column: number): string {
  const words: string[] = []
  let bytes = Buffer.alloc(0)
  let room = roomAt(column)
  for (const character of text) {
    const next = Buffer.concat([bytes, Buffer.from(character)])
    if (next.length > room && bytes.length > 0) {
      words.push(encodedWord(bytes))
      room = roomAt(1)
      bytes = Buffer.from(character)
    } else bytes = next
  }
  if (bytes.length > 0) words.push(encodedWord(bytes))
  return words.join(' ')
}

const encodedWord = (bytes: Buffer) => `=?utf-8?B?${bytes.toString('base64')}?=`
const wrapping = '=?utf-8?B??='.length
const roomAt = (column: number) => Math.floor((Math.min(longestWord, longestLine - column) - wrapping) / 4) * 3
