import type { FastifyReply, FastifyRequest } from 'fastify'
import { languages } from '../../../shared/language/language.ts'
import { sendNote } from './note-page.ts'
import { headersOfPages } from './page-headers.ts'
import { pageLanguage } from './page-language.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Tells a browser that nothing is there. An address that belongs to no door has had no headers of the reader's. */
export function sendMissing(
  request: FastifyRequest,
  reply: FastifyReply,
  deps: Pick<ReaderDeps, 'publicUrl'>,
): FastifyReply {
  reply.headers(headersOfPages(deps))
  const language = pageLanguage(request, languages, 'en')
  return sendNote(request, reply, { newsroom: null, language, note: 'refusal.missing', status: 404 })
}
