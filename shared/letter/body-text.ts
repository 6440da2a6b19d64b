import { convert, type FormatCallback } from 'html-to-text'
import { safeText } from './foreign-text.ts'

/** Text is wrapped where old terminals and quoting leave room. */
export const lineWidth = 72

/** A cleaned body as plain text with its headings, list marks, quotes and link targets. */
export const bodyText = (clean: string): string =>
  // References such as `&#1;` are decoded only here, so what they stood for is made safe once more.
  safeText(convert(clean, asText)).trim()

/** A heading in plain text, its line under it. */
export const underlined = (heading: string, mark: string): string =>
  `${wrapped(heading)}\n${mark.repeat(Math.min(heading.length, lineWidth))}`

/** A paragraph broken between words; a word longer than a line, such as a link, is left whole. */
export function wrapped(paragraph: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of paragraph.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > lineWidth) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}

const headingText: FormatCallback = (element, walk, builder) => {
  builder.openBlock({ leadingLineBreaks: 3 })
  walk(element.children, builder)
  builder.closeBlock({
    trailingLineBreaks: 2,
    blockTransform: (text) => `${text}\n${'-'.repeat(Math.min(text.length, lineWidth))}`,
  })
}

const asText = {
  wordwrap: lineWidth,
  formatters: { headingText },
  selectors: [
    ...['h2', 'h3', 'h4'].map((selector) => ({ selector, format: 'headingText' })),
    { selector: 'a', options: { linkBrackets: ['<', '>'] as [string, string], hideLinkHrefIfSameAsText: true } },
    { selector: 'ul', options: { itemPrefix: '- ' } },
    { selector: 'table', format: 'dataTable', options: { uppercaseHeaderCells: false, maxColumnWidth: 40 } },
  ],
}
