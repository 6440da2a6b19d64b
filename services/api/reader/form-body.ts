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

/** All values of a field that may be there more than once, as ticked boxes are; anything else in it is left out. */
export function fieldsOf(request: FastifyRequest, name: string): string[] {
  const body = request.body
  if (!isForm(request) || typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return []
  return [(body as Record<string, unknown>)[name]]
    .flat()
    .map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : value))
    .filter((value): value is string => typeof value === 'string')
}
