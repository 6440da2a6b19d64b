import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { languages } from '../../../shared/language/language.ts'
import { Refusal, type RefusalCode } from '../../../shared/refusal/refusal.ts'
import { asRefusal } from '../refusal-replies.ts'
import { sendNote } from './note-page.ts'
import { pageLanguage } from './page-language.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Tells a reader's browser in words what programs are told in problem+json, with the same status. */
export function refusalPages(app: FastifyInstance, deps: Pick<ReaderDeps, 'log'>): void {
  app.setErrorHandler(async (error: FastifyError | Refusal, request, reply) => {
    const wait = Number(reply.getHeader('retry-after') ?? 0)
    // Programs are answered by the app, in the one form it has for all doors.
    if (!prefersPage(request)) throw error
    return sendRefusal(request, reply, error, wait, deps)
  })
}

function sendRefusal(
  request: FastifyRequest,
  reply: FastifyReply,
  error: FastifyError | Refusal,
  wait: number,
  deps: Pick<ReaderDeps, 'log'>,
): FastifyReply {
  const refusal = asRefusal(error) ?? new Refusal('FAULT')
  if (refusal.code === 'FAULT')
    deps.log.error({ err: error, route: request.routeOptions.url }, 'a page could not be answered')
  if (refusal.code === 'TOO_BUSY') reply.header('retry-after', '5')
  const language = pageLanguage(request, languages, 'en')
  if (refusal.code === 'TOO_BUSY')
    return sendNote(request, reply, { newsroom: null, language, room: 'trouble', note: 'busy', status: refusal.status })
  return sendNote(request, reply, {
    newsroom: null,
    language,
    note: `refusal.${notes[refusal.code] ?? noteOf(refusal.status)}`,
    status: refusal.status,
    minutes: Math.max(1, Math.ceil(wait / 60)),
  })
}

const notes: Partial<Record<RefusalCode, string>> = {
  LINK_NOT_VALID: 'link',
  TOO_MANY_REQUESTS: 'tooMany',
  TOO_MANY_SIGN_UPS: 'paused',
}

const noteOf = (status: number) => (status === 404 ? 'missing' : status < 500 ? 'invalid' : 'fault')
