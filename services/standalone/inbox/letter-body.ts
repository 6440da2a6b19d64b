import type { Attachment } from 'postal-mime'
import type { OpenedLetter } from './open-letter.ts'

/**
 * A letter's HTML is foreign: it is served at a path of its own under this policy. `sandbox` puts it in an origin that
 * is nobody's, without scripts or forms; the popups are its links, which open in a tab of their own and leave the
 * sandbox there, because a confirmation page must work as in any mail programme.
 */
export function bodyPolicy(withImages: boolean): string {
  return [
    'sandbox allow-popups allow-popups-to-escape-sandbox',
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `img-src data:${withImages ? ' http: https:' : ''}`,
    'font-src data:',
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'self'",
  ].join('; ')
}

export const hasRemoteImages = (html: string) =>
  /(?:\bsrc\s*=|\bbackground\s*=|url\()\s*["']?\s*(?:https?:)?\/\//i.test(html)

/** The letter's own HTML, with its embedded pictures in place and its links opening in a new tab. */
export function letterBody({ html, attachments }: OpenedLetter): string {
  return openLinksInTabs(embedPictures(html ?? '', attachments))
}

function openLinksInTabs(html: string): string {
  const base = '<base target="_blank">'
  const head = /<head(?:\s[^>]*)?>/i.exec(html)
  if (head !== null) return html.slice(0, head.index + head[0].length) + base + html.slice(head.index + head[0].length)
  // After the doctype, or the page would be drawn in quirks mode.
  const doctype = /^\s*<!doctype[^>]*>/i.exec(html)?.[0] ?? ''
  return doctype + base + html.slice(doctype.length)
}

/** RFC 2392: `cid:` names another part of the same letter. */
function embedPictures(html: string, attachments: readonly Attachment[]): string {
  const pictures = new Map(
    attachments
      .filter(({ mimeType, contentId }) => contentId !== undefined && /^image\/(?!svg)[\w.+-]+$/.test(mimeType))
      .map((part) => [part.contentId?.replace(/^<|>$/g, '') ?? '', part]),
  )
  if (pictures.size === 0) return html
  return html.replace(/\bcid:([^"'\s)>]+)/gi, (whole, name: string) => {
    const part = pictures.get(decodeName(name))
    if (part === undefined || typeof part.content === 'string') return whole
    const bytes = Buffer.from(part.content instanceof ArrayBuffer ? new Uint8Array(part.content) : part.content)
    return `data:${part.mimeType};base64,${bytes.toString('base64')}`
  })
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
