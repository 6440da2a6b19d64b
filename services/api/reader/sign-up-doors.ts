import { Type } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { originHash } from '../../../shared/consent/consent.ts'
import { isLanguage, type Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { type Fault, Refusal, refusals } from '../../../shared/refusal/refusal.ts'
import { parseAddress } from '../../../shared/subscriber/address.ts'
import { consentWords, type FollowFault, followBox } from './follow-box.ts'
import { fieldOf, isForm } from './form-body.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { sendNote } from './note-page.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { formTypes, htmlAnswer, languageTag, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { signUp } from './sign-up.ts'

type SlugRoute = { Params: { slug: string } }

/** Where a reader asks to follow: a page with the form, and the door the form and programs post to. */
export function signUpDoors(app: FastifyInstance, deps: ReaderDeps): void {
  app.get<SlugRoute>(
    '/newsrooms/:slug/subscriptions',
    {
      schema: {
        tags: ['reader'],
        summary: 'The form to follow a newsroom with',
        params: slugParams,
        querystring: pageQuery,
        response: { 200: htmlAnswer, 404: problemAnswer },
      },
    },
    async (request, reply) => {
      const newsroom = await knownNewsroom(deps, request.params.slug)
      return sendForm(request, reply, newsroom, {})
    },
  )

  app.post<SlugRoute>(
    '/newsrooms/:slug/subscriptions',
    {
      schema: signUpSchema,
      // Read and answered for below: a reader's browser is told of a fault beside the field.
      attachValidation: true,
      bodyLimit: 16 * 1024,
      config: { rateLimit: { max: deps.signUpsPerHour, timeWindow: '1 hour' } },
    },
    async (request, reply) => {
      const newsroom = await knownNewsroom(deps, request.params.slug)
      return isForm(request)
        ? answerForm(deps, request, reply, newsroom)
        : answerProgram(deps, request, reply, newsroom)
    },
  )
}

async function answerForm(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, newsroom: Newsroom) {
  // People paste addresses with the blanks around them.
  const email = fieldOf(request, 'email').replace(/^[ \t\u00a0]+|[ \t\u00a0]+$/g, '')
  const language = fieldOf(request, 'language') || newsroom.defaultLanguage
  const address = parseAddress(email)
  const offered = isLanguage(language) && newsroom.languages.includes(language)
  if (!address || !offered) {
    const fault = address ? 'language' : 'address'
    return sendForm(request, reply, newsroom, { email, ...(offered ? { language } : {}), fault })
  }

  const spoken = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  // A person sees this field empty and hidden; what fills in every field there is gets the same answer and no letter.
  if (fieldOf(request, 'comment') === '') {
    const formUrl = `${deps.publicUrl}/newsrooms/${newsroom.slug}`
    await signUp(deps, {
      ...{ newsroomId: newsroom.id, address, language, door: 'newsroom-page' },
      consent: { wording: consentWords(newsroom, spoken), language: spoken, formUrl },
      originHash: originOf(deps, request),
    })
  }
  return sendNote(request, reply, { newsroom, language: spoken, note: 'asked', small: 'asked.wait' })
}

async function answerProgram(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, newsroom: Newsroom) {
  const body = request.body as { email?: unknown; language?: unknown } | null
  const address = typeof body?.email === 'string' ? parseAddress(body.email) : null
  if (!address) throw refusalAt('ADDRESS_NOT_VALID', '/email')
  const language = body?.language ?? newsroom.defaultLanguage
  if (!isLanguage(language) || !newsroom.languages.includes(language))
    throw refusalAt('LANGUAGE_NOT_OFFERED', '/language')
  if (request.validationError) throw new Refusal('BODY_NOT_VALID', faultsOf(request.validationError))
  const formUrl = `${deps.publicUrl}/newsrooms/${newsroom.slug}/subscriptions`
  await signUp(deps, {
    ...{ newsroomId: newsroom.id, address, language, door: 'api' },
    consent: { wording: consentWords(newsroom, language), language, formUrl },
    originHash: originOf(deps, request),
  })
  return reply.status(202).send({ state: 'asked' })
}

const originOf = (deps: ReaderDeps, request: FastifyRequest) =>
  originHash(deps.addressHashKey, request.ip, request.headers['user-agent'] ?? '')

const refusalAt = (code: 'ADDRESS_NOT_VALID' | 'LANGUAGE_NOT_OFFERED', pointer: string) =>
  new Refusal(code, [{ pointer, detail: refusals[code][1] }])

const faultsOf = (error: NonNullable<FastifyRequest['validationError']>): Fault[] =>
  (error.validation ?? []).map((fault: { instancePath: string; message?: string }) => ({
    pointer: fault.instancePath,
    detail: fault.message ?? 'is not valid',
  }))

type Given = { email?: string; language?: Language; fault?: FollowFault }

function sendForm(request: FastifyRequest, reply: FastifyReply, newsroom: Newsroom, given: Given): FastifyReply {
  const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  const words = wordsFor(language, 'pages')
  const title = words('follow.title')
  return sendPage(request, reply, {
    template: 'follow',
    language,
    title: given.fault ? words('faultyTitle', { title }) : title,
    newsroom,
    languages: given.fault ? [] : newsroom.languages,
    ...(given.fault ? { status: 422 } : {}),
    values: { follow: followBox(newsroom, language, given) },
  })
}

const form = Type.Object({
  email: Type.String(),
  language: Type.Optional(languageTag),
  comment: Type.Optional(Type.String({ description: 'Left empty by people' })),
})
const program = Type.Object(
  { email: Type.String({ maxLength: 1000 }), language: Type.Optional(languageTag) },
  { additionalProperties: false },
)

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
    429: problemAnswer,
  },
}
