import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal } from '../../../shared/refusal/refusal.ts'

/**
 * A web server on loopback can be reached by every page open in the same browser. A foreign name that was pointed at
 * 127.0.0.1 (DNS rebinding) shows in Host; a foreign page's request shows in Origin. Programs send no Origin, and are
 * welcome.
 */
export function guardLocalDoor(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      // Not no-referrer: that would make browsers send "Origin: null" with our own forms.
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': pagePolicy,
    })
    if (!isLoopback(request.headers.host)) throw new Refusal('ORIGIN_FOREIGN')
    if (!isSafe(request) && !isFromHere(request)) throw new Refusal('ORIGIN_FOREIGN')
  })
}

const pagePolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

function isLoopback(host: string | undefined): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(host ?? '')?.[1]?.toLowerCase()
  return name === 'localhost' || name === '127.0.0.1' || name === '[::1]' || name?.endsWith('.localhost') === true
}

const isSafe = ({ method }: FastifyRequest) => method === 'GET' || method === 'HEAD'

function isFromHere({ headers }: FastifyRequest): boolean {
  if (headers.origin !== undefined) return headers.origin === `http://${headers.host}`
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'same-origin'
}
