import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Language } from '../../../shared/language/language.ts'
import { type WordsRoom, wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { FollowBox } from './follow-box.ts'
import { sendPage } from './page-reply.ts'

export type Note = {
  readonly newsroom: Newsroom | null
  readonly language: Language
  /** The words are `<note>.title` and `<note>.body`, or those of the key `body`. */
  readonly note: string
  readonly body?: string
  /** The catalogue these are in; `pages` where it is not told. */
  readonly room?: WordsRoom
  /** What else stands under them, as a word key. */
  readonly small?: string
  readonly status?: number
  /** A button that posts `name=value` to where the page was found; its words are `<note>.button`. */
  readonly button?: { readonly name: string; readonly value: string }
  readonly follow?: FollowBox
  readonly minutes?: number
  /** What a reader will get, told in pairs. */
  readonly gets?: readonly { readonly term: string; readonly told: string }[]
  /** An address the words name. */
  readonly address?: string
  /** Where to go on. */
  readonly next?: { readonly href: string; readonly words: string } | null
}

/** A page that says one thing, and asks for one thing at most. */
export function sendNote(request: FastifyRequest, reply: FastifyReply, note: Note): FastifyReply {
  const words = wordsFor(note.language, note.room ?? 'pages')
  const told = { newsroom: note.newsroom?.name ?? '', minutes: note.minutes ?? 1, address: note.address ?? '' }
  return sendPage(request, reply, {
    template: 'note',
    language: note.language,
    title: words(`${note.note}.title`, told),
    newsroom: note.newsroom,
    ...(note.status === undefined ? {} : { status: note.status }),
    values: {
      body: words(note.body ?? `${note.note}.body`, told),
      small: note.small ? words(note.small, told) : null,
      button: note.button ? { ...note.button, words: words(`${note.note}.button`, told) } : null,
      // The button posts to the page's own address, in the same language; nothing of the address needs repeating.
      action: `?language=${note.language}`,
      follow: note.follow ?? null,
      gets: note.gets ?? [],
      next: note.next ?? null,
    },
  })
}
