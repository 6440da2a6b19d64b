import { Feed } from 'feed'
import { escaped, type FeedEntry, type FeedHead } from './feed-entries.ts'
import type { FeedForm } from './feed-links.ts'

/*
 * The package `feed` writes the three forms. It takes its words for XML in part, so they are handed to it as each form
 * needs them, and what it leaves out or gets wrong is put right here.
 */

export function writeFeed(form: FeedForm, head: FeedHead, entries: readonly FeedEntry[]): string {
  if (form === 'json') return writeJson(head, entries)
  return form === 'atom' ? writeAtom(head, entries) : writeRss(head, entries)
}

/** Atom: the language of the feed and of each entry, and topics as categories, are not in the package's power. */
function writeAtom(head: FeedHead, entries: readonly FeedEntry[]): string {
  const feed = new Feed(optionsOf(head))
  for (const entry of entries)
    feed.addItem({
      ...{ id: entry.id, link: entry.address, title: escaped(entry.title), content: entry.html },
      ...{ published: entry.publishedAt, date: entry.updatedAt },
      ...(entry.lead ? { description: escaped(entry.lead) } : {}),
    })
  let next = 0
  return feed
    .atom1()
    .replace(
      '<feed xmlns="http://www.w3.org/2005/Atom">',
      `<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="${head.language}">`,
    )
    .replace(/^ {4}<entry>$/gm, () => {
      const { language, topics } = entries[next++]!
      const categories = topics.map(({ id, name }) => `\n        <category term="${id}" label="${escaped(name)}"/>`)
      return `    <entry xml:lang="${language}">${categories.join('')}`
    })
}

/** RSS 2.0: a correction's hour has no element of its own, so it borrows Atom's; a file needs its type and its size. */
function writeRss(head: FeedHead, entries: readonly FeedEntry[]): string {
  const feed = new Feed(optionsOf(head))
  for (const entry of entries) {
    const file = entry.documents.find(({ type, size }) => type !== null && size !== null)
    feed.addItem({
      // The package parts only the first `]]>` of a text; in a title of plain words it may stand as often as it likes.
      ...{ id: entry.id, link: entry.address, title: entry.title.replaceAll(']]>', ']] >'), content: entry.html },
      ...{ published: entry.publishedAt, date: entry.updatedAt },
      description: escaped(entry.lead),
      category: entry.topics.map(({ name }) => ({ name: asText(name) })),
      ...(file ? { enclosure: { url: file.url, type: file.type!, length: file.size! } } : {}),
      extensions: [
        { name: 'atom:updated', objects: entry.updatedAt.toISOString() as never },
        ...(entry.language === head.language ? [] : [{ name: 'dc:language', objects: entry.language as never }]),
      ],
    })
  }
  return feed.rss2()
}

/** JSON Feed: the package writes version 1; version 1.1 has languages, several authors, and plain text for a summary. */
function writeJson(head: FeedHead, entries: readonly FeedEntry[]): string {
  const feed = new Feed(optionsOf(head))
  for (const entry of entries)
    feed.addItem({
      ...{ id: entry.id, link: entry.address, title: entry.title, content: entry.html },
      ...{ published: entry.publishedAt, date: entry.updatedAt },
      ...(entry.image ? { image: entry.image } : {}),
    })
  const {
    version: _,
    author: __,
    items,
    ...rest
  } = JSON.parse(feed.json1()) as { version: string; author: object; items: object[] }
  return JSON.stringify({
    version: 'https://jsonfeed.org/version/1.1',
    ...rest,
    title: head.title,
    description: head.description,
    language: head.language,
    authors: [{ name: head.publisher, url: head.page }],
    items: items.map((item, index) => {
      const { language, lead, topics, documents } = entries[index]!
      return {
        ...item,
        language,
        ...(lead ? { summary: lead } : {}),
        ...(topics.length > 0 ? { tags: topics.map(({ name }) => name) } : {}),
        ...(documents.some(({ type }) => type !== null) ? { attachments: documents.flatMap(attachmentOf) } : {}),
      }
    }),
  })
}

const attachmentOf = ({ url, title, type, size }: FeedEntry['documents'][number]) =>
  type === null ? [] : [{ url, title, mime_type: type, ...(size === null ? {} : { size_in_bytes: size }) }]

const optionsOf = (head: FeedHead) => ({
  ...{ id: head.id, link: head.page, feed: head.self, feedLinks: { json: head.self }, language: head.language },
  ...{ title: asText(head.title), description: asText(head.description), generator: 'Pressebud' },
  author: { name: asText(head.publisher), link: head.page },
  updated: new Date(head.updatedAt),
  ...(head.logo ? { image: head.logo } : {}),
})

// The package's writer turns `&amp;` into `&` before it escapes, so that a text that speaks of `&amp;` would lose it.
const asText = (text: string) => text.replaceAll('&', '&amp;')
