import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import { problemOf } from '../../shared/refusal/problem.ts'
import { Refusal, type RefusalCode, refusals } from '../../shared/refusal/refusal.ts'

/** RFC 9457: what every refusal looks like to a program. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'urn:pressebud:refusal: and the code' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: 'The request, as the log names it.' }),
    errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  },
  { title: 'Problem' },
)

/** The refusals a route may answer with, for its OpenAPI entry. */
export function problemReplies(...codes: readonly RefusalCode[]): Record<number, unknown> {
  const replies: Record<number, unknown> = {}
  for (const code of codes) {
    const [status, sentence] = refusals[code]
    replies[status] = {
      description: sentence,
      content: { 'application/problem+json': { schema: Problem } },
    }
  }
  return replies
}

/** Whatever was thrown, as one of our refusals; `null`: it is a fault of ours. */
export function asRefusal(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error
  const fault = error as Partial<FastifyError>
  if (fault.validation) {
    const where = fault.validationContext === 'body' ? '' : `/${fault.validationContext ?? ''}`
    return new Refusal(
      fault.validationContext === 'body' ? 'BODY_NOT_VALID' : 'REQUEST_NOT_VALID',
      fault.validation.map(({ instancePath, message }) => ({
        pointer: `${where}${instancePath}`,
        detail: `This ${message}.`,
      })),
    )
  }
  const byCode = fault.code === undefined ? undefined : frameworkCodes[fault.code]
  if (byCode) return new Refusal(byCode)
  if (isDatabaseAway(fault)) return new Refusal('TOO_BUSY')
  if (isBrokenForm(fault)) return new Refusal('BODY_NOT_READABLE')
  switch (fault.statusCode) {
    case 400:
      return new Refusal('REQUEST_NOT_VALID')
    case 413:
      return new Refusal('BODY_TOO_LARGE')
    case 415:
      return new Refusal('BODY_NOT_READABLE')
    case 429:
      return new Refusal('TOO_MANY_REQUESTS')
    case 503:
      return new Refusal('TOO_BUSY')
    default:
      return null
  }
}

/** Answers with problem+json. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (refusal.code === 'TOO_BUSY') reply.header('retry-after', '5')
  return reply
    .code(refusal.status)
    .type('application/problem+json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(JSON.stringify({ ...problemOf(refusal.code, request.id, refusal.faults), ...refusal.more }))
}

/** Turns everything thrown into problem+json, and everything unknown into a logged fault without its insides. */
export function refuseWithProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = asRefusal(error)
    if (refusal) return sendProblem(request, reply, refusal)
    request.log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    return sendProblem(request, reply, new Refusal('FAULT'))
  })
}

const frameworkCodes: Readonly<Record<string, RefusalCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'BODY_NOT_READABLE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'BODY_NOT_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'BODY_NOT_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'REQUEST_NOT_VALID',
  FST_INVALID_JSON_FIELD_ERROR: 'BODY_NOT_READABLE',
}

// The parser of multipart forms throws errors that have nothing but a message.
const isBrokenForm = ({ code, message }: { code?: unknown; message?: unknown }) =>
  code === undefined && /^Multipart: |unexpected end of multipart data$/i.test(String(message))
