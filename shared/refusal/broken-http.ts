import { problemOf } from './problem.ts'
import type { RefusalCode } from './refusal.ts'

/**
 * What cannot even be read as HTTP still gets a problem, written byte by byte because there is no reply to write on. `code`
 * is what Node.js says of it.
 */
export function answerBrokenHttp({ code }: { readonly code?: string }, socket: Caller): void {
  // Who has hung up is told nothing.
  if (code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else socket.end(brokenHttpAnswer(code))
}

type Caller = { readonly writable: boolean; end(text: string): unknown; destroy(): void }

function brokenHttpAnswer(code: string | undefined): string {
  const refusal = (code === undefined ? undefined : known[code]) ?? 'REQUEST_NOT_VALID'
  const problem = problemOf(refusal, 'unread')
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${problem.status} ${reasons[problem.status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

const known: Readonly<Record<string, RefusalCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TOO_SLOW',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'BODY_TOO_LARGE',
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
}
