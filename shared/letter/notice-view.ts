import type { Language } from '../language/language.ts'
import { type Words, wordsFor } from '../language/words.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import { type PublisherView, publisherView } from './publisher-view.ts'

export type NoticeLetterKind = 'confirmation' | 'already-following'

export type NoticeInput = {
  readonly kind: NoticeLetterKind
  readonly newsroom: Newsroom
  readonly language: Language
  /** Without a slash at the end. */
  readonly publicUrl: string
  readonly mailDomain: string
}

/** A way out of a notice: the words of its link, and the door of ours that takes the reader's token. */
export type Way = { readonly label: string; readonly path: 'confirm' | 'not-me' | 'unsubscribe' }

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
  /** What holds if somebody else gave this address, and the way to say so. */
  readonly ifNot: string
  readonly way: Way
  readonly why: string
}

/** Both notices may reach someone who asked for nothing: they say what happened, promote nothing, and are sent once. */
export function noticeView({ kind, newsroom, language, publicUrl }: NoticeInput): NoticeView {
  const words = wordsFor(language, 'letters')
  const publisher = publisherView(newsroom, language, publicUrl)
  const room = kind === 'confirmation' ? 'confirmation' : 'already'
  const say = (part: string) => words(`${room}.${part}`, { newsroom: publisher.name })
  const text = say('text')
  return {
    ...{ language, words, publisher, publicUrl, text, preheader: text },
    subject: say('subject'),
    title: say('title'),
    button: kind === 'confirmation' ? { label: say('button'), path: 'confirm' } : null,
    ifNot: say('ifNot'),
    way:
      kind === 'confirmation' ? { label: say('notMe'), path: 'not-me' } : { label: say('leave'), path: 'unsubscribe' },
    why: say('why'),
  }
}
