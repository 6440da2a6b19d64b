import type { FastifyReply, FastifyRequest } from 'fastify'
import { renderPage } from '../pages/pages.ts'

/** What is wrong with the last try, and how long to wait. */
export type LoginFault = { readonly status: 401 | 429; readonly text: string }

/** The login page, in place of whatever was asked for; nothing about that path is told, not even whether it exists. */
export function askForPassword(
  request: FastifyRequest,
  reply: FastifyReply,
  fault: LoginFault | null,
  next?: string,
): FastifyReply {
  const lost = fault === null && request.method !== 'GET' && request.method !== 'HEAD'
  return reply
    .code(fault?.status ?? 401)
    .type('text/html; charset=utf-8')
    .send(
      renderPage('login', { title: 'Log in', fault: fault?.text ?? null, lost, next: safeNext(next ?? request.url) }),
    )
}

/** Only pages of this desk, letter by letter: an address that leads away cannot be spelt in these. */
export const safeNext = (path: string) => (/^\/(?:mailings\/\d{1,19}|machine|queues\/?)?$/.test(path) ? path : '/')
