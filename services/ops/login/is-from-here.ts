import type { FastifyRequest } from 'fastify'
import { parseUrl } from '../../../shared/web-address.ts'

/**
 * Whether a button was pressed on this desk. Browsers say so themselves in Sec-Fetch-Site, which no page can set; over
 * plain http away from loopback they send only Origin, whose host must then be the one asked. Saying neither is a no.
 */
export function isFromHere(request: Pick<FastifyRequest, 'headers'>): boolean {
  const { 'sec-fetch-site': site, origin, host } = request.headers
  if (site !== undefined) return site === 'same-origin'
  if (origin === undefined || host === undefined) return false
  return parseUrl(origin)?.host === host.toLowerCase()
}
