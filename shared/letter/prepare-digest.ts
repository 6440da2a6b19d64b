import { assembleLetter } from './assemble.ts'
import { digestText } from './digest-text.ts'
import { type DigestLetterInput, type DigestRoom, type DigestView, digestView } from './digest-view.ts'
import type { LayoutStore } from './layouts.ts'
import type { PreparedLetter } from './letter.ts'
import { listHeaders } from './letter-headers.ts'
import { bytesOf, type Piece } from './pieces.ts'
import { mostHtmlBytes } from './prepare-release.ts'
import { renderHtml } from './render-html.ts'

export type { DigestLetterInput } from './digest-view.ts'

/** Everything about a digest letter that is the same for all its readers in one language, done once. */
export async function prepareDigestLetter(
  input: DigestLetterInput,
  layouts: LayoutStore | null = null,
): Promise<PreparedLetter> {
  const { view, html } = await fitted(input, layouts)
  return assembleLetter({
    language: input.language,
    subject: view.subject,
    headers: listHeaders(input, view.subject, { label: `digest-${input.mailingId}`, kind: 'digest' }),
    text: digestText(view),
    html,
  })
}

/** From whole leads to short ones to none; then fewer releases, and the rest behind a link. */
const rooms: readonly DigestRoom[] = [
  { lead: 1_500, items: 200 },
  { lead: 280, items: 200 },
  { lead: 0, items: 200 },
  { lead: 0, items: 100 },
  { lead: 0, items: 50 },
  { lead: 0, items: 20 },
]

async function fitted(
  input: DigestLetterInput,
  layouts: LayoutStore | null,
): Promise<{ view: DigestView; html: Piece[] }> {
  for (const room of rooms) {
    const view = digestView(input, room)
    const html = await renderHtml('digest', view, layouts)
    if (bytesOf(html) < mostHtmlBytes) return { view, html }
  }
  throw new Error(`Digest ${input.mailingId} does not fit into a letter`)
}
