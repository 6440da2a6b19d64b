import type { Language } from '../language/language.ts'
import { type Words, wordsFor } from '../language/words.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { Contact, Image, Release } from '../release/release.ts'
import { cleanHtml } from './clean-html.ts'
import { clip, oneLine, paragraphsOf } from './foreign-text.ts'
import { mailUrl, phoneUrl, webUrl } from './link-targets.ts'
import { type PublisherView, publisherView } from './publisher-view.ts'
import { styleBody } from './style-body.ts'
import { toldDocument, toldMoment } from './told.ts'

export type ReleaseLetterInput = {
  readonly newsroom: Newsroom
  readonly release: Pick<Release, 'id' | 'externalId' | 'revision' | 'publishedAt' | 'zone' | 'content' | 'kind'>
  /** Already chosen: one of the languages the release is in. */
  readonly language: Language
  /** Without a slash at the end. */
  readonly publicUrl: string
  readonly mailDomain: string
}

/** All a release letter says, in both its forms: safe to carry, links checked, words chosen, not yet escaped. */
export type ReleaseView = {
  readonly language: Language
  readonly words: Words
  readonly publisher: PublisherView
  readonly publicUrl: string
  readonly releaseUrl: string
  readonly subject: string
  /** The first words a mailbox shows beside the subject. */
  readonly preheader: string
  readonly label: string
  readonly moment: string
  /** Why a correction or a withdrawal was sent. */
  readonly note: string | null
  readonly title: string
  readonly lead: readonly string[]
  /** Cleaned and dressed: markup, where everything else here is text. */
  readonly bodyHtml: string
  readonly isShortened: boolean
  /** Words of the link to the web page; `null` for a withdrawal, whose page no longer shows the text. */
  readonly readLabel: string | null
  /** Words of the link to the reader's preferences. */
  readonly change: string
  readonly images: readonly PictureView[]
  readonly contacts: readonly ContactView[]
  readonly documents: readonly { readonly url: string; readonly title: string; readonly told: string }[]
  readonly links: readonly { readonly url: string; readonly title: string }[]
}
export type PictureView = {
  readonly url: string
  readonly alt: string
  readonly caption: string
  readonly credit: string
}
export type ContactView = {
  readonly name: string
  readonly role: string
  readonly phone: string
  readonly phoneUrl: string | null
  readonly email: string
  readonly emailUrl: string | null
}

export function releaseView({ newsroom, release, language, publicUrl }: ReleaseLetterInput): ReleaseView {
  const text = release.content.languages[language]
  if (!text) throw new Error(`Release ${release.id} is not written in ${language}`)
  const words = wordsFor(language, 'letters')
  const publisher = publisherView(newsroom, language, publicUrl)
  const { kind, content } = release
  const title = oneLine(text.title) || publisher.name || words(kind)
  // A withdrawn text is not sent once more: the reader learns which one it was, and whom to ask.
  const withdrawn = kind === 'withdrawal'
  const lead = withdrawn ? [] : paragraphsOf(text.lead)
  const note = kind === 'release' ? null : words(`${kind}.note`, { newsroom: publisher.name })
  return {
    ...{ language, words, publisher, publicUrl, title, lead, note },
    releaseUrl: `${publisher.url}/releases/${encodeURIComponent(release.id)}`,
    subject: kind === 'release' ? title : words(`${kind}.subject`, { title }),
    preheader: clip(note ?? (lead.join(' ') || publisher.name), 160),
    label: words(kind),
    moment: toldMoment(release.publishedAt, release.zone, language),
    bodyHtml: withdrawn ? '' : styleBody(cleanHtml(text.bodyHtml), publisher.looks),
    isShortened: false,
    readLabel: withdrawn ? null : words('read'),
    change: wordsFor(language, 'choice-letters')('change'),
    images: withdrawn ? [] : content.images.flatMap(pictureView),
    contacts: content.contacts.map(contactView).filter(({ name, phone, email }) => name || phone || email),
    documents: withdrawn
      ? []
      : content.documents.flatMap((document) => titled(document, toldDocument(document, language))),
    links: withdrawn ? [] : content.links.flatMap((link) => titled(link, '')),
  }
}

/** The same with only the beginning of its body. */
export const shortenedView = (view: ReleaseView, bodyHtml: string): ReleaseView => ({
  ...view,
  bodyHtml,
  isShortened: true,
  readLabel: view.readLabel && view.words('readWhole'),
})

/**
 * The same, cut to where no foreign text can make it too large for a mailbox: for the rare release whose lists alone
 * are. Everything is still behind the link to the web.
 */
export const lessenedView = (view: ReleaseView): ReleaseView => ({
  ...shortenedView(view, ''),
  subject: clip(view.subject, 400),
  title: clip(view.title, 400),
  lead: view.lead.length === 0 ? [] : [clip(view.lead.join(' '), 2000)],
  publisher: {
    ...view.publisher,
    name: clip(view.publisher.name, 200),
    about: view.publisher.about.slice(0, 1).map((about) => clip(about, 1000)),
  },
  images: view.images.slice(0, 1).filter(isShort),
  contacts: view.contacts.slice(0, 3).filter(isShort),
  documents: view.documents.slice(0, 5).filter(isShort),
  links: view.links.slice(0, 5).filter(isShort),
})

const isShort = (part: object) => JSON.stringify(part).length < 1500

function pictureView(image: Image): PictureView[] {
  const url = webUrl(image.url)
  const [alt, caption, credit] = [image.alt, image.caption ?? '', image.credit ?? ''].map(oneLine) as [
    string,
    string,
    string,
  ]
  return url === null ? [] : [{ url, alt, caption, credit }]
}

function contactView(contact: Contact): ContactView {
  const [name, role, phone, email] = [contact.name, contact.role, contact.phone, contact.email].map((text) =>
    oneLine(text ?? ''),
  ) as [string, string, string, string]
  return { name, role, phone, phoneUrl: phoneUrl(phone), email, emailUrl: mailUrl(email) }
}

function titled({ url: foreign, title }: { url: string; title: string }, told: string) {
  const url = webUrl(foreign)
  return url === null ? [] : [{ url, title: oneLine(title) || url, told }]
}
