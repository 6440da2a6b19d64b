import { decodeWords } from 'postal-mime'

/** What the list shows of a letter, from its own header. */
export type LetterHead = { readonly subject: string; readonly sender: string }

/** RFC 5322 has no limit; a header longer than this is no letter's. */
const headLimit = 64 * 1024
const shownLength = 500

/** Reads only the header, for the list; the letter is parsed in full when somebody opens it. */
export function readLetterHead(raw: Buffer): LetterHead {
  const end = raw.indexOf('\r\n\r\n')
  const head = raw
    .subarray(0, Math.min(end < 0 ? raw.length : end, headLimit))
    .toString('utf8')
    .replace(/\r?\n[ \t]+/g, ' ')
  return { subject: field(head, /^subject:(.*)$/im), sender: field(head, /^from:(.*)$/im) }
}

function field(head: string, pattern: RegExp): string {
  const value = decodeWords(pattern.exec(head)?.[1]?.trim() ?? '')
  return value.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, shownLength)
}
