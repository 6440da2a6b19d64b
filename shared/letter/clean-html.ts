import sanitizeHtml from 'sanitize-html'
import { safeText } from './foreign-text.ts'
import { mailUrl, webUrl } from './link-targets.ts'
import { tidyHtml } from './tidy-html.ts'

/**
 * Foreign HTML with only what a press release needs left in it: text, headings under the title, lists, links, quotes
 * and plain tables. Everything is decoded and written anew, so that what comes out is well formed whatever went in, and
 * cannot reach outside the element it is put into. For letters and pages alike.
 */
export function cleanHtml(foreign: string): string {
  return tidyHtml(safeText(sanitizeHtml(safeText(foreign), allowed)))
}

// The title is the only h1, so a foreign h1 becomes h2; what is too deep for a letter becomes h4. What an editor wraps
// around blocks or single lines becomes `div`, of which `tidyHtml` makes paragraphs.
const asOurs: Record<string, string> = {
  ...{ h1: 'h2', h5: 'h4', h6: 'h4' },
  ...{
    section: 'div',
    article: 'div',
    main: 'div',
    header: 'div',
    footer: 'div',
    aside: 'div',
    center: 'div',
    pre: 'div',
  },
  ...{
    figure: 'div',
    figcaption: 'div',
    address: 'div',
    dl: 'div',
    dt: 'div',
    dd: 'div',
    details: 'div',
    summary: 'div',
  },
}

const allowed: sanitizeHtml.IOptions = {
  allowedTags: [
    ...['p', 'h2', 'h3', 'h4', 'ul', 'ol', 'li', 'a', 'strong', 'em', 'b', 'i', 'blockquote', 'br', 'div'],
    ...['table', 'caption', 'thead', 'tbody', 'tfoot', 'tr', 'th', 'td'],
  ],
  allowedAttributes: { a: ['href'], td: ['colspan', 'rowspan'], th: ['colspan', 'rowspan'] },
  allowedSchemes: ['http', 'https', 'mailto'],
  allowProtocolRelative: false,
  disallowedTagsMode: 'discard',
  // Deeper than any text is, shallow enough for every parser that comes after.
  nestingLimit: 40,
  nonTextTags: [
    'script',
    'style',
    'textarea',
    'option',
    'noscript',
    'template',
    'title',
    'iframe',
    'svg',
    'math',
    'object',
  ],
  transformTags: {
    ...Object.fromEntries(
      Object.entries(asOurs).map(([from, to]) => [from, sanitizeHtml.simpleTransform(to, {}, false)]),
    ),
    a: (tagName, { href = '' }) => ({ tagName, attribs: attribsOf({ href: linkTarget(href) }) }),
    td: (tagName, cell) => ({ tagName, attribs: spansOf(cell) }),
    th: (tagName, cell) => ({ tagName, attribs: spansOf(cell) }),
  },
}

const linkTarget = (href: string) =>
  /^\s*mailto:/i.test(href) ? mailUrl(decoded(href.trim().slice(7).split('?')[0]!)) : webUrl(href)

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

const spansOf = ({ colspan = '', rowspan = '' }: sanitizeHtml.Attributes) =>
  attribsOf({ colspan: spanOf(colspan), rowspan: spanOf(rowspan) })

const spanOf = (span: string) => (/^([2-9]|[1-3]\d)$/.test(span) ? span : null)

const attribsOf = (attribs: Record<string, string | null>): sanitizeHtml.Attributes =>
  Object.fromEntries(Object.entries(attribs).filter((entry): entry is [string, string] => entry[1] !== null))
