import type { Telling } from '../digest/digest.ts'
import { chooseLanguage, type Language } from '../language/language.ts'
import { type Words, wordsFor } from '../language/words.ts'
import type { MailingId } from '../mailing/mailing.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { Release } from '../release/release.ts'
import { clip, oneLine, paragraphsOf } from './foreign-text.ts'
import { type PublisherView, publisherView } from './publisher-view.ts'
import { toldHour, toldMoment, toldZone } from './told.ts'

export type DigestLetterInput = {
  readonly newsroom: Newsroom
  readonly mailingId: MailingId
  /** Newest first; at least one. */
  readonly items: readonly {
    readonly telling: Telling
    readonly release: Pick<Release, 'id' | 'publishedAt' | 'zone' | 'content'>
  }[]
  /** One of the newsroom's: what we say ourselves is in it. */
  readonly language: Language
  /** Without a slash at the end. */
  readonly publicUrl: string
  readonly mailDomain: string
}

/** All a digest letter says, in both its forms: safe to carry, words chosen, not yet escaped. */
export type DigestView = {
  readonly language: Language
  readonly words: Words
  readonly publisher: PublisherView
  readonly publicUrl: string
  readonly subject: string
  readonly preheader: string
  readonly title: string
  readonly items: readonly DigestItemView[]
  /** The zone of every hour that names none. */
  readonly zone: string
  /** How many more there are on the web; `null`: all are here. */
  readonly more: string | null
  readonly why: string
  readonly change: string
  readonly leave: string
  readonly allReleases: string
  readonly sender: string
}

export type DigestItemView = {
  /** The language of its title and lead, which need not be the letter's. */
  readonly language: Language
  readonly title: string
  readonly lead: readonly string[]
  readonly url: string
  readonly moment: string
  /** Said of one whose text was corrected. */
  readonly label: string | null
  /** Said to those who have an earlier text. */
  readonly note: string | null
}

/** How much of a digest is shown: a long one says less of each release, and a very long one leaves some to the web. */
export type DigestRoom = { readonly lead: number; readonly items: number }

export function digestView(input: DigestLetterInput, room: DigestRoom): DigestView {
  const { newsroom, language, publicUrl } = input
  const words = wordsFor(language, 'digests')
  const letters = wordsFor(language, 'letters')
  const publisher = publisherView(newsroom, language, publicUrl)
  const count = input.items.length
  const items = input.items.slice(0, room.items).map((item) => itemView(item, input, publisher, words, room.lead))
  const first = items[0]!
  const left = count - items.length
  const named = { newsroom: publisher.name }
  return {
    ...{ language, words, publisher, publicUrl, items },
    subject: words('subject', { title: clip(first.title, 400), count, others: count - 1 }),
    preheader: clip(
      items
        .slice(1)
        .map(({ title }) => title)
        .join(' · ') ||
        first.lead.join(' ') ||
        publisher.name,
      160,
    ),
    title: words('title', { ...named, count }),
    zone: letters('zone', { zone: toldZone(input.items[0]!.release.publishedAt, newsroom.zone, language) }),
    more: left > 0 ? words('more', { count: left }) : null,
    why: words('why', named),
    change: wordsFor(language, 'choice-letters')('change'),
    leave: letters('leave'),
    allReleases: letters('allReleases', named),
    sender: letters('sender', { legalName: publisher.legalName }),
  }
}

function itemView(
  { telling, release }: DigestLetterInput['items'][number],
  { newsroom, language }: DigestLetterInput,
  publisher: PublisherView,
  words: Words,
  mostLead: number,
): DigestItemView {
  const offered = Object.keys(release.content.languages) as Language[]
  const written = chooseLanguage(language, newsroom.defaultLanguage, offered)
  const text = release.content.languages[written]
  const lead = paragraphsOf(text?.lead ?? '')
  return {
    language: written,
    title: clip(oneLine(text?.title ?? ''), 400) || publisher.name,
    lead: mostLead === 0 ? [] : lead.join(' ').length > mostLead ? [clip(lead.join(' '), mostLead)] : lead,
    url: `${publisher.url}/releases/${encodeURIComponent(release.id)}`,
    moment: (release.zone === newsroom.zone ? toldHour : toldMoment)(release.publishedAt, release.zone, language),
    label: telling === 'new' ? null : words(telling),
    note: telling === 'correction' ? words('correction.note') : null,
  }
}
