/**
 * Keeps each element only where an HTML parser would leave it. A cell outside its table, or a table straight inside
 * another, would end the letter's own layout table; a heading that skips a level, an empty one, or a link without words
 * would lead a screen reader astray; loose text becomes paragraphs.
 * Reads only what `sanitize-html` wrote: balanced tags, `<` and `>` nowhere else.
 */
export function tidyHtml(html: string): string {
  const root = opened('root', '', true)
  const stack = [root]
  let level = 1

  const close = () => {
    const element = stack.pop()!
    const parent = stack.at(-1)!
    if (onlyParts.has(element.tag)) addInline(parent, hasWords(element.loose) ? ` ${element.loose} ` : '')
    else endParagraph(element)
    if (!element.kept)
      addInline(parent, phrasing.has(element.tag) && element.tag !== 'p' ? element.out : ` ${element.out} `)
    else if (element.tag === 'div') addBlock(parent, element.out)
    else if (!hasWords(element.out)) addInline(parent, emptied(element))
    else if (blocks.has(element.tag)) {
      const name = isHeading(element.tag) ? `h${Math.min(Number(element.tag[1]), level + 1)}` : element.tag
      if (isHeading(name)) level = Number(name[1])
      addBlock(parent, `<${name}>${trimmed(element.out)}</${name}>`)
    } else addInline(parent, `<${element.tag}${element.attributes}>${element.out}</${element.tag}>`)
  }

  for (const [token, slash, name] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>|[^<]+/g)) {
    if (name === undefined) addInline(stack.at(-1)!, token.replace(/\s+/g, ' '))
    else if (name === 'br') addInline(stack.at(-1)!, '<br>')
    else if (!slash) stack.push(opened(name, token.slice(name.length + 1, -1), mayStand(name, token, stack)))
    else if (stack.length > 1) close()
  }
  while (stack.length > 1) close()
  endParagraph(root)
  return root.out
}

type Open = {
  readonly tag: string
  readonly attributes: string
  readonly kept: boolean
  out: string
  /**
   * Text and inline elements not yet in a paragraph of their container; in a list or table, those that stand between
   * its parts, and that a parser would move to before it.
   */
  loose: string
  /** Line breaks at the end of `loose`. */
  breaks: number
}

const opened = (tag: string, attributes: string, kept: boolean): Open => ({
  ...{ tag, attributes, kept },
  ...{ out: '', loose: '', breaks: 0 },
})

const parents: Record<string, readonly string[]> = {
  li: ['ul', 'ol'],
  caption: ['table'],
  thead: ['table'],
  tbody: ['table'],
  tfoot: ['table'],
  tr: ['table', 'thead', 'tbody', 'tfoot'],
  th: ['tr'],
  td: ['tr'],
}
const onlyParts = new Set(['ul', 'ol', 'table', 'thead', 'tbody', 'tfoot', 'tr'])
const containers = new Set(['root', 'div', 'blockquote'])
const blocks = new Set(['p', 'h2', 'h3', 'h4', 'ul', 'ol', 'blockquote', 'table', 'div'])
/** What a block element inside would end early. */
const phrasing = new Set(['p', 'h2', 'h3', 'h4', 'a', 'strong', 'em', 'b', 'i', 'caption'])

function mayStand(tag: string, token: string, stack: readonly Open[]): boolean {
  const kept = stack.filter((element) => element.kept)
  const parent = kept.at(-1)!.tag
  if (tag in parents) return parents[tag]!.includes(parent)
  if (onlyParts.has(parent)) return false
  if (blocks.has(tag)) return !kept.some((element) => phrasing.has(element.tag))
  if (tag === 'a') return token.includes(' href=') && !kept.some((element) => element.tag === 'a')
  return true
}

function addInline(parent: Open, html: string): void {
  const isLoose = containers.has(parent.tag) || (onlyParts.has(parent.tag) && !isPart(html))
  if (!parent.kept || !isLoose) parent.out += html
  else parent.loose += html
  if (html === '<br>') parent.breaks++
  else if (html !== ' ') parent.breaks = 0
  // Two line breaks are how plain editors say “new paragraph”.
  if (containers.has(parent.tag) && parent.breaks > 1) endParagraph(parent)
}

function addBlock(parent: Open, html: string): void {
  endParagraph(parent)
  parent.out += html
}

function endParagraph(element: Open): void {
  if (hasWords(element.loose)) element.out += `<p>${trimmed(element.loose)}</p>`
  element.loose = ''
  element.breaks = 0
}

/** What is left of an element without words: an empty cell holds its column open, a line break breaks the line. */
function emptied({ tag, attributes, out }: Open): string {
  if (tag === 'td' || tag === 'th') return `<td${attributes}></td>`
  return out.includes('<br>') && !blocks.has(tag) && !(tag in parents) ? '<br>' : ' '
}

const isPart = (html: string) => /^\s*(?:$|<(?:li|caption|thead|tbody|tfoot|tr|th|td)[ >])/.test(html)
const isHeading = (tag: string) => /^h[2-4]$/.test(tag)
const hasWords = (html: string) => /[^\s\u00a0\u00ad\u200b-\u200f\u2060]/.test(html.replace(/<[^>]*>|&nbsp;/g, ''))

/** Without the spaces and line breaks at both ends; by hand, because a pattern anchored at the end is quadratic. */
function trimmed(html: string): string {
  let [from, to] = [0, html.length]
  for (let more = true; more; ) {
    more = true
    if (html[from] === ' ') from++
    else if (html.startsWith('<br>', from)) from += 4
    else more = false
  }
  for (let more = true; more && to > from; ) {
    more = true
    if (html[to - 1] === ' ') to--
    else if (html.endsWith('<br>', to)) to -= 4
    else more = false
  }
  return html.slice(from, to)
}
