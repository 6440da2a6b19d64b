import { bodyText, underlined, wrapped } from './body-text.ts'
import type { NoticeView } from './notice-view.ts'
import { type Piece, slot } from './pieces.ts'
import type { PublisherView } from './publisher-view.ts'
import type { ContactView, PictureView, ReleaseView } from './release-view.ts'

/** A release letter as somebody would write it in plain text: everything the HTML says, with the same links. */
export function releaseText(view: ReleaseView): Piece[] {
  const { words, publisher } = view
  return blocksOf([
    `${wrapped(`${publisher.name}: ${view.label}`)}\n${view.moment}`,
    underlined(view.title, '='),
    view.note && wrapped(view.note),
    ...view.lead.map(wrapped),
    view.images[0] && pictureText(view, view.images[0]),
    bodyText(view.bodyHtml),
    view.isShortened && wrapped(words('cutShort')),
    view.readLabel && `${view.readLabel}:\n${view.releaseUrl}`,
    ...view.images.slice(1).map((image) => pictureText(view, image)),
    view.contacts.length > 0 && underlined(words('contacts', { count: view.contacts.length }), '-'),
    ...view.contacts.map(contactText),
    view.documents.length > 0 && underlined(words('documents', { count: view.documents.length }), '-'),
    ...view.documents.map(({ title, told, url }) => `${wrapped(told ? `${title} (${told})` : title)}\n${url}`),
    view.links.length > 0 && underlined(words('links', { count: view.links.length }), '-'),
    ...view.links.map(({ title, url }) => (title === url ? url : `${wrapped(title)}\n${url}`)),
    (publisher.about.length > 0 || publisher.website !== null) &&
      underlined(words('about', { newsroom: publisher.name }), '-'),
    ...publisher.about.map(wrapped),
    publisher.website,
    ruler,
    wrapped(words('why', { newsroom: publisher.name })),
    [`${view.change}:\n${view.publicUrl}/preferences/`, slot('token')],
    [`${words('leave')}:\n${view.publicUrl}/unsubscribe/`, slot('token')],
    `${wrapped(words('allReleases', { newsroom: publisher.name }))}:\n${publisher.url}`,
    identity(view.words('sender', { legalName: publisher.legalName }), publisher),
  ])
}

export function noticeText(view: NoticeView): Piece[] {
  return blocksOf([
    view.publisher.name,
    underlined(view.title, '='),
    wrapped(view.text),
    view.button && [`${view.button.label}:\n${view.publicUrl}/${view.button.path}/`, slot('token')],
    wrapped(view.ifNot),
    view.way && [`${view.way.label}:\n${view.publicUrl}/${view.way.path}/`, slot('token')],
    ruler,
    wrapped(view.why),
    `${wrapped(view.publisher.name)}:\n${view.publisher.url}`,
    identity(view.words('sender', { legalName: view.publisher.legalName }), view.publisher),
  ])
}

export const ruler = '-'.repeat(40)

function pictureText({ words }: ReleaseView, { url, alt, caption, credit }: PictureView): string {
  const lines = [alt && words('picture', { alt }), caption, credit && words('credit', { credit })]
  return [...lines.filter((line) => line !== '').map(wrapped), url].join('\n')
}

const contactText = ({ name, role, phone, email }: ContactView) =>
  [[name, role].filter((part) => part !== '').join(', '), phone, email].filter((line) => line !== '').join('\n')

export const identity = (sender: string, { postalAddress }: PublisherView) =>
  [sender, postalAddress]
    .filter((line) => line !== '')
    .map(wrapped)
    .join('\n')

type Block = string | readonly Piece[] | null | undefined | false

/** Blocks with an empty line between; what is not said leaves none. Lines are broken here, so a hyphen is a hyphen. */
export function blocksOf(blocks: readonly Block[]): Piece[] {
  const pieces: Piece[] = []
  for (const block of blocks) {
    if (!block || block === '') continue
    if (pieces.length > 0) pieces.push('\n\n')
    for (const piece of typeof block === 'string' ? [block] : block)
      pieces.push(typeof piece === 'string' ? piece.replaceAll('\u2011', '-') : piece)
  }
  return [...pieces, '\n']
}
