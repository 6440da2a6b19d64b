import { assembleLetter } from './assemble.ts'
import type { LayoutStore } from './layouts.ts'
import type { PreparedLetter } from './letter.ts'
import { listHeaders } from './letter-headers.ts'
import { bytesOf, type Piece } from './pieces.ts'
import { releaseText } from './plain-text.ts'
import { lessenedView, type ReleaseLetterInput, type ReleaseView, releaseView, shortenedView } from './release-view.ts'
import { renderHtml } from './render-html.ts'
import { shortenHtml } from './shorten-html.ts'

export type { ReleaseLetterInput } from './release-view.ts'

/** Gmail hides what comes after about 102 KB of HTML, and with it the link to leave; this keeps well away from there. */
export const mostHtmlBytes = 90_000

/** Everything about a release letter that is the same for all its readers in one language, done once. */
export async function prepareReleaseLetter(
  input: ReleaseLetterInput,
  layouts: LayoutStore | null = null,
): Promise<PreparedLetter> {
  const { view, html } = await fitted(releaseView(input), layouts)
  const { release, language } = input
  return assembleLetter({
    language,
    subject: view.subject,
    headers: listHeaders(input, view.subject, { label: `${release.id}.${release.revision}`, kind: 'release' }),
    text: releaseText(view),
    html,
  })
}

async function fitted(whole: ReleaseView, layouts: LayoutStore | null): Promise<{ view: ReleaseView; html: Piece[] }> {
  const html = await releaseHtml(whole, layouts)
  const over = bytesOf(html) - mostHtmlBytes
  if (over < 0) return { view: whole, html }

  const budget = Buffer.byteLength(whole.bodyHtml) - over - roomToSaySo
  const view = budget > 0 ? shortenedView(whole, shortenHtml(whole.bodyHtml, budget)) : lessenedView(whole)
  return { view, html: await releaseHtml(view, layouts) }
}

/** Bytes for the sentence that tells the reader where the rest is. */
const roomToSaySo = 2_000

const releaseHtml = (view: ReleaseView, layouts: LayoutStore | null) =>
  renderHtml('release', { ...view, body: { markup: view.bodyHtml } }, layouts)
