import { assembleLetter } from './assemble.ts'
import type { LayoutStore } from './layouts.ts'
import type { PreparedLetter } from './letter.ts'
import { noticeHeaders } from './letter-headers.ts'
import { type NoticeInput, noticeView } from './notice-view.ts'
import { noticeText } from './plain-text.ts'
import { renderHtml } from './render-html.ts'

export type { NoticeInput } from './notice-view.ts'

/** A notice, prepared like a release letter; its newsroom's other readers may get the same one. */
export async function prepareNotice(input: NoticeInput, layouts: LayoutStore | null = null): Promise<PreparedLetter> {
  const view = noticeView(input)
  return assembleLetter({
    language: input.language,
    subject: view.subject,
    headers: noticeHeaders(input, view.subject, input.kind),
    text: noticeText(view),
    html: await renderHtml('notice', view, layouts),
  })
}
