import type { Language } from '../language/language.ts'
import { type Words, type WordsRoom, wordsFor } from '../language/words.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import type { NoticeKind } from '../notice/notice.ts'
import { type PublisherView, publisherView } from './publisher-view.ts'

export type NoticeInput = {
  readonly kind: NoticeKind
  readonly newsroom: Newsroom
  readonly language: Language
  /** Without a slash at the end. */
  readonly publicUrl: string
  readonly mailDomain: string
}

/** A way out of a notice: the words of its link, and the door of ours that takes the reader's token. */
export type Way = { readonly label: string; readonly path: Door }
type Door = 'confirm' | 'not-me' | 'unsubscribe' | 'preferences' | 'new-address' | 'old-address' | 'my-data'

export type NoticeView = {
  readonly language: Language
  readonly words: Words
  readonly publisher: PublisherView
  readonly publicUrl: string
  readonly subject: string
  readonly preheader: string
  readonly title: string
  readonly text: string
  /** What the letter asks the reader to do; `null` where nothing needs doing. */
  readonly button: Way | null
  /** What holds if somebody else gave this address, and the way to say so or another thing to do; `null`: none. */
  readonly ifNot: string
  readonly way: Way | null
  readonly why: string
}

type Form = {
  readonly catalogue: WordsRoom
  /** The words are `<words>.subject`, `<words>.title` and so on. */
  readonly words: string
  /** The door of the button, and of the link below it. */
  readonly button: Door | null
  readonly way: readonly [words: string, door: Door] | null
}

const forms: Readonly<Record<NoticeKind, Form>> = {
  confirmation: { catalogue: 'letters', words: 'confirmation', button: 'confirm', way: ['notMe', 'not-me'] },
  'already-following': { catalogue: 'letters', words: 'already', button: null, way: ['leave', 'unsubscribe'] },
  'preferences-link': {
    catalogue: 'choice-letters',
    words: 'preferences',
    button: 'preferences',
    way: ['leave', 'unsubscribe'],
  },
  'leave-link': { catalogue: 'choice-letters', words: 'leave', button: 'unsubscribe', way: ['change', 'preferences'] },
  'my-data-link': { catalogue: 'choice-letters', words: 'myData', button: 'my-data', way: null },
  'new-address': { catalogue: 'choice-letters', words: 'newAddress', button: 'new-address', way: null },
  'address-changed': { catalogue: 'choice-letters', words: 'changed', button: 'old-address', way: null },
}

/** Any notice may reach someone who asked for nothing: it says what happened, promotes nothing, and is sent once. */
export function noticeView({ kind, newsroom, language, publicUrl }: NoticeInput): NoticeView {
  const form = forms[kind]
  const words = wordsFor(language, 'letters')
  const publisher = publisherView(newsroom, language, publicUrl)
  const ours = wordsFor(language, form.catalogue)
  const say = (part: string) => ours(`${form.words}.${part}`, { newsroom: publisher.name })
  const text = say('text')
  return {
    ...{ language, words, publisher, publicUrl, text, preheader: text },
    subject: say('subject'),
    title: say('title'),
    button: form.button && { label: say('button'), path: form.button },
    ifNot: say('ifNot'),
    way: form.way && { label: say(form.way[0]), path: form.way[1] },
    why: say('why'),
  }
}
