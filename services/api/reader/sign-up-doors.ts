import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { type Fault, Refusal, type RefusalCode, refusals } from '../../../shared/refusal/refusal.ts'
import { frequencies } from '../../../shared/subscription/subscription.ts'
import { Problem } from '../refusal-replies.ts'
import { makeChallenge, readProof } from './challenge.ts'
import { allowOrigins } from './cross-origin.ts'
import { consentWords } from './follow-box.ts'
import { isForm } from './form-body.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { formUrlOf, originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { formTypes, htmlAnswer, languageTag, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { signUp } from './sign-up.ts'
import { admit, isUnusual, refuseForNow } from './sign-up-budgets.ts'
import { answerForm, sendForm } from './sign-up-form.ts'
import { readWish, type WishFault } from './sign-up-wish.ts'

type SlugRoute = { Params: { slug: string } }

/** Where a reader asks to follow: a page with the form, and the door that forms and programs post to. */
export function signUpDoors(app: FastifyInstance, deps: ReaderDeps): void {
  allowOrigins(app, deps)
  const url = '/newsrooms/:slug/subscriptions'

  app.get<SlugRoute>(url, { schema: formSchema }, async (request, reply) => {
    const newsroom = await knownNewsroom(deps, request.params.slug)
    return sendForm(request, reply, newsroom, (await isUnusual(deps, newsroom)) ? { check: true } : {})
  })

  app.options<SlugRoute>(url, { schema: { hide: true } }, async (_request, reply) =>
    reply.status(204).header('allow', 'GET, HEAD, POST, OPTIONS').send(),
  )

  // Read and answered for below: a reader's browser is told of a fault beside the field.
  const signUpRoute = { schema: signUpSchema, attachValidation: true, bodyLimit: 16 * 1024 }
  app.post<SlugRoute>(url, signUpRoute, async (request, reply) => {
    const newsroom = await knownNewsroom(deps, request.params.slug)
    return isForm(request) ? answerForm(deps, request, reply, newsroom) : answerProgram(deps, request, reply, newsroom)
  })
}

async function answerProgram(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, newsroom: Newsroom) {
  const body = (request.body ?? {}) as Record<'email' | 'language' | 'topics' | 'frequency' | 'altcha', unknown>
  const wish = readWish(newsroom, body)
  if ('fault' in wish) throw faultsIn[wish.fault]
  if (request.validationError) throw new Refusal('BODY_NOT_VALID', faultsOf(request.validationError))

  const now = deps.now()
  const proof = typeof body.altcha === 'string' ? await readProof(deps.links, newsroom.id, body.altcha, now) : null
  const admission = await admit(deps, newsroom, request.ip, proof === null ? 'plain' : { proof })
  if (!admission.admitted && admission.needs === 'proof')
    throw new Refusal('CHALLENGE_NEEDED', [], { challenge: await makeChallenge(deps.links, newsroom.id, now) })
  if (!admission.admitted) throw refuseForNow(reply, admission)
  const language = pageLanguage(request, [], wish.language)
  await signUp(deps, {
    ...{ newsroomId: newsroom.id, wish, door: 'api', notBefore: admission.notBefore },
    consent: { wording: consentWords(newsroom, language), language, formUrl: formUrlOf(deps, request, newsroom) },
    originHash: originOf(deps, request),
  })
  return reply.status(202).send({ state: 'asked' })
}

const refusalAt = (code: RefusalCode, pointer: string) => new Refusal(code, [{ pointer, detail: refusals[code][1] }])

const faultsIn: Readonly<Record<WishFault, Refusal>> = {
  address: refusalAt('ADDRESS_NOT_VALID', '/email'),
  language: refusalAt('LANGUAGE_NOT_OFFERED', '/language'),
  topics: refusalAt('TOPIC_NOT_OFFERED', '/topics'),
  frequency: new Refusal('BODY_NOT_VALID', [{ pointer: '/frequency', detail: `One of ${frequencies.join(', ')}.` }]),
}

const faultsOf = (error: NonNullable<FastifyRequest['validationError']>): Fault[] =>
  (error.validation ?? []).map((fault: { instancePath: string; message?: string }) => ({
    pointer: fault.instancePath,
    detail: fault.message ?? 'is not valid',
  }))

const formSchema = {
  tags: ['reader'],
  summary: 'The form to follow a newsroom with',
  params: slugParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer },
}

const wishOf = {
  language: Type.Optional(languageTag),
  frequency: Type.Optional(Type.String({ enum: [...frequencies] })),
}
const form = Type.Object({
  email: Type.String(),
  ...wishOf,
  topics: Type.Optional(Type.String({ description: 'Once for each topic; none: whatever is published' })),
  comment: Type.Optional(Type.String({ description: 'Left empty by people' })),
  shown: Type.Optional(Type.String({ description: 'When our page showed the form, sealed' })),
  altcha: Type.Optional(Type.String({ description: 'The solution of a challenge' })),
  lane: Type.Optional(Type.String({ description: '`slow`: no challenge can be solved, a later letter is fine' })),
})
const program = Type.Object(
  {
    email: Type.String({ maxLength: 1000 }),
    ...wishOf,
    topics: Type.Optional(
      Type.Array(Type.String(), { maxItems: 50, description: 'Ids of topics; none: whatever is published' }),
    ),
    altcha: Type.Optional(
      Type.String({ maxLength: 4000, description: 'Base64 of {challenge, solution} in JSON, after a 428' }),
    ),
  },
  { additionalProperties: false },
)

const challengeAnswer = {
  description:
    'Unusually many are signing up. Solve `challenge` (ALTCHA, PBKDF2/SHA-256) and ask again with its solution in `altcha`.',
  content: {
    'application/problem+json': {
      schema: Type.Object({ ...Problem.properties, challenge: Type.Optional(Type.Unknown()) }),
    },
    'text/html': { schema: Type.String() },
  },
}

const signUpSchema = {
  tags: ['reader'],
  summary: 'Ask to follow a newsroom',
  description: 'The answer is the same whether or not the address is known; what comes next comes to the mailbox.',
  params: slugParams,
  querystring: pageQuery,
  body: {
    content: {
      'application/json': { schema: program },
      [formTypes[0]]: { schema: form },
      [formTypes[1]]: { schema: form },
    },
  },
  response: {
    200: htmlAnswer,
    202: {
      description: 'Asked',
      content: { 'application/json': { schema: Type.Object({ state: Type.Literal('asked') }) } },
    },
    404: problemAnswer,
    422: problemAnswer,
    428: challengeAnswer,
    429: problemAnswer,
  },
}
