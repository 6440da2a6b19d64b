import PostalMime, { type Attachment } from 'postal-mime'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { InboxLetter } from './letter-index.ts'
import type { LetterStore } from './letter-store.ts'

/** A letter taken apart for reading. `html` and `text` are null where the letter has no such part. */
export type OpenedLetter = {
  readonly html: string | null
  readonly text: string | null
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly raw: string
  readonly attachments: readonly Attachment[]
  /** What was wrong with it, for letters no parser can read. */
  readonly fault: string | null
}

export async function openLetter(bytes: Buffer): Promise<OpenedLetter> {
  const raw = bytes.toString('utf8')
  try {
    const mail = await PostalMime.parse(bytes)
    return {
      html: mail.html ?? null,
      text: mail.text ?? null,
      headers: mail.headers.map(({ originalKey, value }) => [originalKey, value] as const),
      raw,
      attachments: mail.attachments,
      fault: null,
    }
  } catch (error) {
    return { html: null, text: null, headers: [], raw, attachments: [], fault: (error as Error).message }
  }
}

/** The letter by that number, or the answer for one that is not there (any more). */
export function findLetter(store: LetterStore, id: number): InboxLetter {
  const letter = store.find(id)
  if (letter === null) throw new Refusal('NOT_FOUND')
  return letter
}

export async function readLetter(store: LetterStore, id: number): Promise<Buffer> {
  const bytes = await store.read(id)
  if (bytes === null) throw new Refusal('NOT_FOUND')
  return bytes
}
