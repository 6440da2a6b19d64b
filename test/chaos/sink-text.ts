import { headedAsCorrected, headedAsWithdrawn } from './publisher.ts'

/** What is kept of a letter's text. */
export type Text = {
  readonly subject: string
  readonly messageId: string
  readonly leaveUrl: string
  /** What it lacks, in words; null: nothing. */
  readonly lacks: string | null
  /** What a digest tells; null: it is none. */
  readonly items: readonly DigestItem[] | null
}

export type DigestItem = { readonly title: string; readonly isCorrection: boolean }

/**
 * Reads a letter, in the characters of its bytes. Each of its two parts must tell of what its subject says, carry its reader's
 * own link, and be whole: an old text under a new subject, or another reader's, is no letter of theirs.
 */
export function readText(letter: string): Text {
  const headerEnd = letter.indexOf('\r\n\r\n') + 2
  const header = letter.slice(0, headerEnd)
  const subject = fieldIn(header, 'Subject')
  const leaveUrl = fieldIn(header, 'List-Unsubscribe').replace(/^<|>$/g, '')
  const boundary = /boundary="?([^";\r]+)/i.exec(header)?.[1] ?? ''
  const [, ...parts] = letter.slice(headerEnd).split(`--${boundary}`)
  const end = parts.pop()
  const items = itemsIn(unwrap(parts[0] ?? ''))
  const told = items?.map(({ title }) => title) ?? [titleIn(subject)]
  const own = leaveUrl.slice(leaveUrl.lastIndexOf('/') + 1)
  const kept = { subject, leaveUrl, messageId: fieldIn(header, 'Message-ID'), items }
  if (parts.length !== 2 || !end?.startsWith('--')) return { ...kept, lacks: 'its end' }
  for (const part of parts) {
    const text = unwrap(part)
    if (!told.every((title) => new RegExp(`${title}(?! rev|\\d)`).test(text)))
      return { ...kept, lacks: 'what its subject tells' }
    const links = text.match(/[\w-]{64}/g) ?? []
    if (links.length === 0 || links.some((link) => link !== own)) return { ...kept, lacks: "its reader's own links" }
  }
  return { ...kept, lacks: null }
}

/** As the harness gave it to the release. */
function titleIn(subject: string): string {
  const heading = [headedAsCorrected, headedAsWithdrawn('')].find((words) => subject.startsWith(words)) ?? ''
  return subject.slice(heading.length)
}

/** A digest in plain text has an underlined heading for each release. */
function itemsIn(text: string): DigestItem[] | null {
  const items = [...text.matchAll(/^(Chaos \d+(?: revision \d+)?)\r\n-{3,}\r\n(.*)/gm)].map(([, title, line]) => ({
    title: title!,
    isCorrection: line!.startsWith('Rettelse'),
  }))
  return items.length > 0 ? items : null
}

/** Quoted-printable (RFC 2045 6.7), as far as titles and links need it. */
const unwrap = (part: string) => part.replaceAll('=\r\n', '').replaceAll('=3D', '=')

const fieldIn = (header: string, name: string) => new RegExp(`^${name}: ?(.*)\r$`, 'im').exec(header)?.[1] ?? ''
