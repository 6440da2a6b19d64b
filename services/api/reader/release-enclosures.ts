import type { Language } from '../../../shared/language/language.ts'
import { oneLine } from '../../../shared/letter/foreign-text.ts'
import { mailUrl, phoneUrl, webUrl } from '../../../shared/letter/link-targets.ts'
import { toldDocument } from '../../../shared/letter/told.ts'
import type { ReleaseContent } from '../../../shared/release/release.ts'

/**
 * What comes with the text. A link that leads nowhere a browser may go is left out, and its words are kept. A picture that
 * is sent without encryption is a link as well: pages show none of those, so that nobody on the way can put another there.
 */
export const enclosuresOf = (content: ReleaseContent, language: Language) => ({
  contacts: content.contacts.map((contact) => ({
    ...contact,
    // A number is not broken over two lines.
    phone: contact.phone?.replaceAll(' ', '\u00a0'),
    phoneUrl: contact.phone ? phoneUrl(contact.phone) : null,
    mailUrl: contact.email ? mailUrl(contact.email) : null,
  })),
  images: content.images.flatMap((image) => {
    const url = pictureUrl(image.url)
    return url === null ? [] : [{ ...image, url }]
  }),
  documents: content.documents
    .map((document) => ({ ...document, url: webUrl(document.url) }))
    .filter((document): document is typeof document & { url: string } => document.url !== null)
    .map((document) => ({ ...document, told: toldDocument(document, language) })),
  links: [
    ...content.links.map((link) => ({ ...link, url: webUrl(link.url) })),
    ...content.images.flatMap((image) => {
      const url = webUrl(image.url)
      const title = oneLine(image.caption ?? '') || oneLine(image.alt)
      return url === null || pictureUrl(image.url) !== null ? [] : [{ url, title: title || url }]
    }),
  ],
})

/** Where a picture is that a page may show: encrypted, or on this very machine where somebody tries things out. */
export function pictureUrl(foreign: string): string | null {
  const url = webUrl(foreign)
  return url !== null && /^(?:https:|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/])/.test(url) ? url : null
}
