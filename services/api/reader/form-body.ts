import type { FastifyRequest } from 'fastify'

/** Whether the body came from a form: urlencoded, or multipart as mail providers also post it. */
export const isForm = (request: FastifyRequest): boolean =>
  /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(request.headers['content-type'] ?? '')

/** A field of a posted form as text; empty when it is missing, or there more than once. */
export function fieldOf(request: FastifyRequest, name: string): string {
  const body = request.body
  if (!isForm(request) || typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return ''
  const value = (body as Record<string, unknown>)[name]
  // A part that names a media type of its own reaches us as bytes.
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  return typeof value === 'string' ? value : ''
}
