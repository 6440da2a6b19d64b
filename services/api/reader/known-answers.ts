import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

/**
 * A name for what an answer says. Weak, because the same answer is sent as it is and compressed, and a proxy may
 * compress it once more.
 */
export const tagOf = (said: string): string =>
  `W/"${createHash('sha256').update(said).digest('base64url').slice(0, 22)}"`

/** Whether the visitor has that answer already (RFC 9110, 13.1.2: compared weakly). */
export function isKnownTo(request: FastifyRequest, tag: string): boolean {
  const known = request.headers['if-none-match']
  if (known === undefined) return false
  return known.trim() === '*' || known.split(',').some((one) => opaque(one) === opaque(tag))
}

const opaque = (tag: string) => tag.trim().replace(/^W\//, '')
