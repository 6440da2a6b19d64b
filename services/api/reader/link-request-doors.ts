import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { spend } from '../../../shared/budget/budget.sql.ts'
import { networksOf } from '../../../shared/budget/network.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { askForLink } from '../../../shared/notice/link-request.sql.ts'
import type { LinkKind } from '../../../shared/notice/notice.ts'
import { Refusal, refusals } from '../../../shared/refusal/refusal.ts'
import { parseAddress, withoutBlanksAround } from '../../../shared/subscriber/address.ts'
import { hashAddress } from '../../../shared/subscriber/address-hash.ts'
import { sendChoiceNote } from './choice-note.ts'
import { fieldOf } from './form-body.ts'
import { knownNewsroom } from './newsroom-page.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { formTypes, htmlAnswer, pageQuery, problemAnswer, slugParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'

type SlugRoute = { Params: { slug: string } }

type Door = {
  readonly path: string
  readonly kind: LinkKind
  /** The page's words are `ask.<words>.title` and `.lead`. */
  readonly words: 'preferences' | 'leave' | 'myData'
  readonly asked: 'asked.body' | 'asked.myData'
  readonly summary: string
}

const doors: readonly Door[] = [
  {
    ...{ path: 'preferences', kind: 'preferences-link', words: 'preferences', asked: 'asked.body' },
    summary: 'Asks for the link to change what a reader gets',
  },
  {
    ...{ path: 'leave', kind: 'leave-link', words: 'leave', asked: 'asked.body' },
    summary: 'Asks for a letter to unsubscribe by',
  },
  {
    ...{ path: 'my-data', kind: 'my-data-link', words: 'myData', asked: 'asked.myData' },
    summary: 'Asks for the link to what is held about an address',
  },
]

// For readers who have no letter at hand. Nothing is done on the word of whoever types an address: a letter goes to it,
// and only its owner can act. The door does the same for every address and knows nothing of any; see
// answer-link-requests.ts for the rest.
export function linkRequestDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const door of doors) {
    const url = `/newsrooms/:slug/${door.path}`
    app.get<SlugRoute>(url, { schema: showSchema(door) }, async (request, reply) =>
      sendForm(request, reply, door, await knownNewsroom(deps, request.params.slug), null),
    )
    const askRoute = { schema: askSchema(door), attachValidation: true, bodyLimit: 16 * 1024 }
    app.post<SlugRoute>(url, askRoute, async (request, reply) =>
      ask(deps, request, reply, door, await knownNewsroom(deps, request.params.slug)),
    )
  }
}

async function ask(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  door: Door,
  newsroom: Newsroom,
): Promise<FastifyReply> {
  const email = withoutBlanksAround(fieldOf(request, 'email'))
  const address = parseAddress(email)
  if (!address) {
    if (prefersPage(request)) return sendForm(request, reply, door, newsroom, email)
    throw new Refusal('ADDRESS_NOT_VALID', [{ pointer: '/email', detail: refusals.ADDRESS_NOT_VALID[1] }])
  }
  const budget = { name: 'link-requests', quota: deps.signUpsPerHour, span: 3600 }
  const charge = { budget, subject: networksOf(request.ip).narrow }
  const spent = await spend(deps.pool, deps.addressHashKey, [charge], deps.now())
  if (!spent.granted) {
    const wait = Math.max(...spent.short.map((one) => one.wait))
    reply.headers({
      'retry-after': String(wait),
      'ratelimit-policy': `"${budget.name}";q=${budget.quota};w=${budget.span}`,
      ratelimit: `"${budget.name}";r=0;t=${wait}`,
    })
    if (!prefersPage(request)) throw new Refusal('TOO_MANY_REQUESTS')
    const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
    const minutes = Math.max(1, Math.ceil(wait / 60))
    return sendChoiceNote(request, reply, { newsroom, language, note: 'tooMany', status: 429, minutes })
  }
  const addressHash = hashAddress(deps.addressHashKey, address.key)
  await askForLink(deps.pool, { addressHash, newsroomId: newsroom.id, kind: door.kind }, deps.now())
  if (!prefersPage(request)) return reply.status(202).send({ state: 'asked' })
  const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  return sendChoiceNote(request, reply, { newsroom, language, note: 'asked', body: door.asked, small: 'asked.wait' })
}

/** `wrong`: what was written where an address belongs. */
function sendForm(
  request: FastifyRequest,
  reply: FastifyReply,
  door: Door,
  newsroom: Newsroom,
  wrong: string | null,
): FastifyReply {
  const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  const say = wordsFor(language, 'choices')
  const heading = say(`ask.${door.words}.title`)
  return sendPage(request, reply, {
    template: 'ask-link',
    language,
    title: wrong === null ? heading : say('faultyTitle', { title: heading }),
    newsroom,
    languages: wrong === null ? newsroom.languages : [],
    ...(wrong === null ? {} : { status: 422 }),
    values: {
      heading,
      lead: say(`ask.${door.words}.lead`, { newsroom: newsroom.name }),
      action: `/newsrooms/${newsroom.slug}/${door.path}?language=${language}`,
      wrong,
    },
  })
}

const showSchema = (door: Door) => ({
  tags: ['reader'],
  summary: `${door.summary}: the form`,
  params: slugParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer },
})

const emailForm = Type.Object({ email: Type.String() })

const askSchema = (door: Door) => ({
  tags: ['reader'],
  summary: door.summary,
  description: 'The answer is the same whether or not the address is known; what comes next comes to the mailbox.',
  params: slugParams,
  querystring: pageQuery,
  body: { content: { [formTypes[0]]: { schema: emailForm }, [formTypes[1]]: { schema: emailForm } } },
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
})
