import type { Language } from '../../../shared/language/language.ts'
import { cleanHtml } from '../../../shared/letter/clean-html.ts'
import type { Release } from '../../../shared/release/release.ts'

/** Characters of cleaned text kept; a text costs milliseconds to clean, and the newest ones are asked for all day. */
const kept = 16_000_000
const known = new Map<string, string>()
let size = 0

/**
 * A release's body, cleaned. A revision never changes, so its cleaned body may be kept; whether a visitor may see it was
 * asked of the database before, each time.
 */
export function cleanBody({ id, revision, content }: Pick<Release, 'id' | 'revision' | 'content'>, language: Language) {
  const key = `${id} ${revision} ${language}`
  const found = known.get(key)
  if (found !== undefined) {
    known.delete(key)
    known.set(key, found)
    return found
  }
  const clean = cleanHtml(content.languages[language]?.bodyHtml ?? '')
  known.set(key, clean)
  size += clean.length
  for (const [oldest, text] of known) {
    if (size <= kept) break
    known.delete(oldest)
    size -= text.length
  }
  return clean
}
