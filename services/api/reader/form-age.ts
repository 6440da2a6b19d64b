import type { FastifyInstance } from 'fastify'
import { type LinkKeys, openToken, sealToken } from '../../../shared/links/token.ts'
import type { NewsroomId } from '../../../shared/newsroom/newsroom.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Nobody has read the form and written an address sooner, in seconds. */
const least = 2
/** A tab left open over night is one thing; a form kept for weeks by a program is another. */
const most = 86_400

/** Stands in a page for when it was shown. `again`: to somebody who has filled it in before and need not be slow anew. */
export const shownMark = (newsroom: NewsroomId, again: boolean): string =>
  `shown-${again ? 'again' : 'first'}-${newsroom}`

/**
 * Seals the time into every page with a form as it leaves. Not sooner: what a page says stays the same from one minute
 * to the next, so that a browser may keep it and ask whether it still stands.
 */
export function sealShownForms(app: FastifyInstance, { links, now }: Pick<ReaderDeps, 'links' | 'now'>): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    if (typeof payload !== 'string' || !String(reply.getHeader('content-type')).startsWith('text/html')) return payload
    return payload.replace(marks, (_, when: string, newsroom: string) =>
      sealShown(links, newsroom as NewsroomId, now(), when === 'again'),
    )
  })
}

const marks = /shown-(first|again)-([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})/g

/**
 * When a form was shown, sealed, so that a program cannot say it was a while ago.
 */
export function sealShown(links: LinkKeys, newsroom: NewsroomId, now: Date, again = false): string {
  const shownAt = now.getTime() - (again ? least * 1000 : 0)
  return sealToken(links, 'form', [BigInt(shownAt), numberOf(newsroom), 0n])
}

/** Whether a form was shown for this newsroom, long enough ago and not too long. */
export function isSeasoned(links: LinkKeys, newsroom: NewsroomId, token: string, now: Date): boolean {
  const numbers = openToken(links, 'form', token)
  if (numbers === null || numbers[1] !== numberOf(newsroom)) return false
  const age = (now.getTime() - Number(numbers[0])) / 1000
  return age >= least && age <= most
}

// The random half of its uuid.
const numberOf = (newsroom: NewsroomId) => BigInt(`0x${newsroom.replaceAll('-', '').slice(16)}`)
