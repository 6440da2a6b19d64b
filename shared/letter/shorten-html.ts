/**
 * The beginning of a tidy HTML text, at most `budget` bytes of it with its open elements closed: cut after the last
 * whole paragraph, list item or table row that fits, and never leaving a heading as the last thing said. A single block
 * larger than all the room there is, is cut between two words.
 */
export function shortenHtml(html: string, budget: number): string {
  if (Buffer.byteLength(html) <= budget) return html
  const open: string[] = []
  let bytes = 0
  let atBlock = ''
  let atWord = ''
  for (const match of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>|[^<]+/g)) {
    const [token, slash, name] = match
    const closers = open
      .toReversed()
      .map((tag) => `</${tag}>`)
      .join('')
    if (name === undefined) {
      const room = budget - bytes - closers.length - '…'.length * 3
      if (room > 0 && !onlyParts.has(open.at(-1) ?? ''))
        atWord = html.slice(0, match.index) + wordsWithin(token, room) + closers
    }
    bytes += Buffer.byteLength(token)
    if (bytes + closers.length > budget) break
    if (name === undefined || name === 'br') continue
    if (!slash) open.push(name)
    else {
      open.pop()
      const end = match.index + token.length
      if (isBoundary.has(name))
        atBlock =
          html.slice(0, end) +
          open
            .toReversed()
            .map((tag) => `</${tag}>`)
            .join('')
    }
  }
  return atBlock || atWord
}

const isBoundary = new Set(['p', 'li', 'tr', 'ul', 'ol', 'blockquote', 'table'])
const onlyParts = new Set(['ul', 'ol', 'table', 'thead', 'tbody', 'tfoot', 'tr'])

function wordsWithin(text: string, room: number): string {
  if (Buffer.byteLength(text) <= room) return text
  const start = Buffer.from(text)
    .subarray(0, room)
    .toString()
    .replace(/\ufffd+$/, '')
  // Between two words, and never inside a character reference such as `&amp;`.
  const space = start.lastIndexOf(' ')
  const cut = space > start.length / 2 ? start.slice(0, space) : start.replace(/&[a-z#0-9]*$/i, '')
  return `${cut.trimEnd()}…`
}
