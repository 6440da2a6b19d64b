import type { Language } from '../../../shared/language/language.ts'
import { mailUrl, phoneUrl, webUrl } from '../../../shared/letter/link-targets.ts'
import { toldDocument } from '../../../shared/letter/told.ts'
import type { ReleaseContent } from '../../../shared/release/release.ts'

/** What comes with the text. A link that leads nowhere a browser may go is left out, and its words are kept. */
export const enclosuresOf = (content: ReleaseContent, language: Language) => ({
  contacts: content.contacts.map((contact) => ({
    ...contact,
    // A number is not broken over two lines.
    phone: contact.phone?.replaceAll(' ', '\u00a0'),
    phoneUrl: contact.phone ? phoneUrl(contact.phone) : null,
    mailUrl: contact.email ? mailUrl(contact.email) : null,
  })),
  images: content.images
    .map((image) => ({ ...image, url: webUrl(image.url) }))
    .filter((image): image is typeof image & { url: string } => image.url !== null),
  documents: content.documents
    .map((document) => ({ ...document, url: webUrl(document.url) }))
    .filter((document): document is typeof document & { url: string } => document.url !== null)
    .map((document) => ({ ...document, told: toldDocument(document, language) })),
  links: content.links.map((link) => ({ ...link, url: webUrl(link.url) })),
})
