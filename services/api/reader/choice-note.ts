import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Language } from '../../../shared/language/language.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { sendNote } from './note-page.ts'

export type ChoiceNote = {
  readonly newsroom: Newsroom | null
  readonly language: Language
  /** The words are `<note>.title`, and `<note>.body` or those of the key `body`. */
  readonly note: string
  readonly body?: string
  readonly small?: string
  readonly status?: number
  readonly address?: string
  /** Whether there is a button that posts to where the page was found; its words are `<note>.button`. */
  readonly asks?: boolean
  readonly minutes?: number
  readonly next?: { readonly href: string; readonly words: string }
}

/** A page about a reader's choice that says one thing, and asks for one thing at most. */
export const sendChoiceNote = (request: FastifyRequest, reply: FastifyReply, note: ChoiceNote): FastifyReply =>
  sendNote(request, reply, {
    ...note,
    room: 'choices',
    ...(note.asks ? { button: { name: 'answer', value: 'yes' } } : {}),
  })

/**
 * Enough of an address to know it again by, for pages behind links that get passed on with a letter. The word joiner
 * keeps a line from ending in the middle of it.
 */
export function maskedAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const letters = [...address.slice(0, at)]
  return `${letters.slice(0, letters.length > 3 ? 2 : 1).join('')}…\u2060${address.slice(at)}`
}
