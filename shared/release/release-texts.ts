import { isLanguage, type Language } from '../language/language.ts'
import { cleanHtml } from '../letter/clean-html.ts'
import { safeText } from '../letter/foreign-text.ts'
import type { Release } from './release.ts'

/** What lists show of a release in one language, and all its words as plain text, for the search. */
export type ShownText = {
  readonly language: Language
  readonly title: string
  readonly lead: string
  readonly plain: string
}

/** The languages a release is shown in; of a withdrawn one none, so that no list and no search finds it. */
export function shownTexts({ kind, content }: Pick<Release, 'kind' | 'content'>): ShownText[] {
  if (kind === 'withdrawal') return []
  return Object.entries(content.languages)
    .filter(([language]) => isLanguage(language))
    .map(([language, { title, lead, bodyHtml }]) => ({
      language: language as Language,
      title,
      lead,
      plain: wordsOf(`${title} ${lead} ${withoutTags(cleanHtml(bodyHtml))}`).join(' '),
    }))
}

/** The words of a text, as they are stored and as they are asked for: letters and digits, and nothing else. */
export const wordsOf = (text: string): string[] =>
  safeText(text)
    .normalize('NFC')
    .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []

// Cleaned HTML writes every `<` and `>` of its text as a reference, so what stands between them is a tag.
const withoutTags = (clean: string) =>
  clean.replace(/<[^>]*>/g, ' ').replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => references[name]!)
const references: Record<string, string> = { amp: '&', lt: ' ', gt: ' ', quot: ' ', '#39': ' ', nbsp: ' ' }
