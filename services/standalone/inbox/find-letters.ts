import type { InboxLetter } from './letter-index.ts'
import type { LetterStore } from './letter-store.ts'
import { mailboxKey } from './mailbox.ts'

export type LetterWish = {
  /** One mailbox, whole. */
  readonly to?: string | undefined
  /** Words anywhere in recipient, sender or subject. */
  readonly words?: string | undefined
  /** Only letters that came after this one, or before that one. */
  readonly after?: number | undefined
  readonly before?: number | undefined
}

/** Oldest first. */
export function findLetters(store: LetterStore, wish: LetterWish): InboxLetter[] {
  return store.all().filter((letter) => matches(letter, wish))
}

/**
 * The first letter to a mailbox after another: at once when it is there already, else when it arrives; null when
 * `giveUp` comes first.
 */
export function nextLetter(
  store: LetterStore,
  wish: Required<Pick<LetterWish, 'to' | 'after'>>,
  giveUp: AbortSignal,
): Promise<InboxLetter | null> {
  const here = store.all().find((letter) => matches(letter, wish))
  if (here !== undefined || giveUp.aborted) return Promise.resolve(here ?? null)
  return new Promise((resolve) => {
    const settle = (letter: InboxLetter | null) => {
      stopListening()
      giveUp.removeEventListener('abort', onGiveUp)
      resolve(letter)
    }
    const onGiveUp = () => settle(null)
    const stopListening = store.onArrival((letter) => {
      if (matches(letter, wish)) settle(letter)
    })
    giveUp.addEventListener('abort', onGiveUp)
  })
}

function matches(letter: InboxLetter, { to, words, after, before }: LetterWish): boolean {
  if (after !== undefined && letter.id <= after) return false
  if (before !== undefined && letter.id >= before) return false
  if (to && mailboxKey(letter.to) !== mailboxKey(to)) return false
  if (!words) return true
  const text = `${letter.to}\n${letter.sender}\n${letter.subject}`.toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}
