import { underlined, wrapped } from './body-text.ts'
import type { DigestItemView, DigestView } from './digest-view.ts'
import { type Piece, slot } from './pieces.ts'
import { blocksOf, identity, ruler } from './plain-text.ts'

/** A digest as somebody would write it in plain text: everything the HTML says, with the same links. */
export function digestText(view: DigestView): Piece[] {
  const { publisher, publicUrl } = view
  return blocksOf([
    publisher.name,
    underlined(view.title, '='),
    ...view.items.flatMap(itemBlocks),
    view.more && `${wrapped(view.more)}:\n${publisher.url}`,
    view.zone,
    ruler,
    wrapped(view.why),
    [`${wrapped(view.change)}:\n${publicUrl}/preferences/`, slot('token')],
    [`${view.leave}:\n${publicUrl}/unsubscribe/`, slot('token')],
    `${wrapped(view.allReleases)}:\n${publisher.url}`,
    identity(view.sender, publisher),
  ])
}

const itemBlocks = ({ title, label, moment, note, lead, url }: DigestItemView) => [
  `${underlined(title, '-')}\n${label ? wrapped(`${label} · ${moment}`) : moment}`,
  note && wrapped(note),
  ...lead.map(wrapped),
  url,
]
