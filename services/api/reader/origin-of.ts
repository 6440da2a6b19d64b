import type { FastifyRequest } from 'fastify'
import { originHash } from '../../../shared/consent/consent.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { originOfForm } from './cross-origin.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Where a request came from, as the log of consent keeps it. */
export const originOf = (deps: Pick<ReaderDeps, 'addressHashKey'>, request: FastifyRequest): Buffer =>
  originHash(deps.addressHashKey, request.ip, request.headers['user-agent'] ?? '')

/** Whose page the form stood in, as far as its browser says. */
export function formUrlOf(deps: Pick<ReaderDeps, 'publicUrl'>, request: FastifyRequest, newsroom: Newsroom): string {
  const { origin } = request.headers
  if (origin !== undefined && originOfForm(deps, newsroom, request) === 'listed') return origin
  return `${deps.publicUrl}/newsrooms/${newsroom.slug}`
}
