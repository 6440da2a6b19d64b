/**
 * Foreign text made safe to carry, before any encoder sees it: no control characters (they end lines, headers and XML
 * documents), no lone surrogates and no noncharacters (neither is Unicode text). Everything a person could have meant,
 * in any script, is kept.
 */
export const safeText = (foreign: string): string =>
  foreign
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufdd0-\ufdef\ufeff\uffff\ufffe]|[\u{1fffe}\u{1ffff}]/gu, '')

/** The same on one line: for headings, headers and attributes. */
export const oneLine = (foreign: string): string => safeText(foreign).replace(/\s+/g, ' ').trim()

/** The paragraphs of a plain text, empty ones left out. */
export const paragraphsOf = (foreign: string): string[] =>
  safeText(foreign)
    .split(/\n+/)
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')

/** At most `most` characters, cut between words where there is a space to cut at. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text
  const start = text.slice(0, most - 1).replace(/\p{Surrogate}/gu, '')
  const space = start.lastIndexOf(' ')
  return `${(space > most / 2 ? start.slice(0, space) : start).trimEnd()}…`
}
