import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { uuidv7 } from 'uuidv7'
import type { Language } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { openToken } from '../../../shared/links/token.ts'
import { findNewsroomById } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { oweLink } from '../../../shared/notice/link-request.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { lockSubscriber } from '../../../shared/subscriber/subscriber.sql.ts'
import type { SubscriptionId } from '../../../shared/subscription/subscription.ts'
import { findWishes, type WishedSubscription } from '../../../shared/subscription/wishes.sql.ts'
import { maskedAddress, sendChoiceNote } from './choice-note.ts'
import { fieldOf } from './form-body.ts'
import { originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { formTypes, htmlAnswer, languageTag, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import {
  draftFrom,
  draftOf,
  type PreferenceField,
  type PreferencesDraft,
  preferencesBox,
  readPreferences,
  toldPause,
} from './preferences-form.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { type Act, leaveByPreferences, savePreferences, wordingOf } from './save-preferences.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

/** Whom a link speaks of, and the page's own words. */
type Visit = {
  readonly held: WishedSubscription
  readonly newsroom: Newsroom
  readonly language: Language
  readonly mailingId: string | null
}

// What a reader gets, in one form behind the link every letter has. The link is the one to unsubscribe by another door:
// whoever holds it could end the subscription, so it may change it. Following it changes nothing.
export function preferencesDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const { url, hide } of pathsOf(app, '/preferences/:token')) {
    app.get<TokenRoute>(url, { schema: { ...showSchema, hide } }, async (request, reply) => {
      const visit = await visitOf(deps, request)
      if (visit.held.state !== 'active') return sendGone(request, reply, visit)
      return sendForm(deps, request, reply, visit, {})
    })

    const saveRoute = { schema: { ...saveSchema, hide }, attachValidation: true, bodyLimit: 16 * 1024 }
    app.post<TokenRoute>(url, saveRoute, async (request, reply) => {
      const visit = await visitOf(deps, request)
      const act = fieldOf(request, 'act')
      if (act === 'leave' || act === 'leave-all') return leave(deps, request, reply, visit, act)
      if (visit.held.state !== 'active') return sendGone(request, reply, visit)
      if (act === 'my-data') return sendMyDataLink(deps, request, reply, visit)
      if (act !== 'save')
        throw new Refusal('CHOICE_NOT_VALID', [{ pointer: '/act', detail: 'Not an act of this door.' }])
      return save(deps, request, reply, visit)
    })
  }
}

async function visitOf(deps: ReaderDeps, request: FastifyRequest<TokenRoute>): Promise<Visit> {
  const numbers = openToken(deps.links, 'unsubscribe', request.params.token)
  const held = numbers && (await findWishes(deps.pool, numbers[0].toString() as SubscriptionId))
  const newsroom = held && (await findNewsroomById(deps.pool, held.newsroomId))
  if (!newsroom) throw new Refusal('LINK_NOT_VALID')
  const language = pageLanguage(request, [], held.wishes.language)
  return { held, newsroom, language, mailingId: numbers[1] === 0n ? null : numbers[1].toString() }
}

/** What a program is told of the address it asked for. */
const states = { none: 'saved', saved: 'address-asked', 'too-often': 'address-not-asked' } as const

async function save(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, visit: Visit) {
  const draft = draftFrom(request)
  const read = readPreferences(draft, visit.newsroom, deps.now())
  if (read.faults.length > 0 || !('wishes' in read)) return sendFaults(deps, request, reply, visit, draft, read.faults)
  const saved = await savePreferences(deps, visit.held.id, read, actOf(deps, request, visit, shownWords(visit)))
  if (saved === 'gone') return sendGone(request, reply, visit)
  if (!prefersPage(request)) return reply.send({ state: states[read.address ? saved : 'none'] })
  const held = await findWishes(deps.pool, visit.held.id)
  const now = { ...visit, held: held ?? visit.held, language: visit.language }
  const asked = saved === 'saved' && read.address !== null
  return sendForm(deps, request, reply, now, { saved: asked ? 'address' : 'choices', tooOften: saved === 'too-often' })
}

async function leave(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
  act: 'leave' | 'leave-all',
) {
  const words = wordsFor(visit.language, 'choices')(act === 'leave' ? 'stop.one' : 'stop.all', {
    newsroom: visit.newsroom.name,
  })
  const which = act === 'leave' ? 'one' : 'all'
  await leaveByPreferences(deps, visit.held.id, which, actOf(deps, request, visit, [words]))
  if (!prefersPage(request)) return reply.send({ state: 'ended' })
  const { newsroom, language } = visit
  return sendChoiceNote(request, reply, { newsroom, language, note: act === 'leave' ? 'left' : 'leftAll' })
}

async function sendMyDataLink(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, visit: Visit) {
  const id = uuidv7() as NoticeId
  const notice = {
    id,
    kind: 'my-data-link',
    subscriptionId: visit.held.id,
    subscriberId: visit.held.subscriberId,
  } as const
  // The same reader in ten requests at once has one letter: each waits for the one before, and then looks.
  const isOwed = await inTransaction(deps.pool, async (tx) => {
    await lockSubscriber(tx, visit.held.subscriberId)
    return oweLink(tx, notice, deps.now())
  })
  if (isOwed) deps.wakeNotice(id)
  if (!prefersPage(request)) return reply.send({ state: 'link-asked' })
  return sendForm(deps, request, reply, visit, { saved: 'data' })
}

const actOf = (deps: ReaderDeps, request: FastifyRequest, visit: Visit, words: readonly string[]): Act => ({
  door: 'preferences-page',
  language: visit.language,
  wording: wordingOf(words),
  formUrl: `${deps.publicUrl}/preferences`,
  originHash: originOf(deps, request),
  ...(visit.mailingId === null ? {} : { mailingId: visit.mailingId }),
})

/** The words the choices stood beside. */
function shownWords({ language }: Visit): string[] {
  const say = wordsFor(language, 'choices')
  return [
    say('frequency'),
    say('topics'),
    say('topics.hint'),
    say('language'),
    say('pause'),
    say('pause.hint'),
    say('save'),
  ]
}

function sendFaults(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
  draft: PreferencesDraft,
  faults: readonly PreferenceField[],
): FastifyReply {
  if (prefersPage(request)) return sendForm(deps, request, reply, visit, { draft, faults })
  const english = wordsFor('en', 'choices')
  const told = { example: preferencesBox(draft, visit.newsroom, 'en', deps.now()).example }
  throw new Refusal(
    'CHOICE_NOT_VALID',
    faults.map((field) => ({ pointer: `/${field}`, detail: `${english(`${field}Fault`, told)}.` })),
  )
}

function sendGone(request: FastifyRequest, reply: FastifyReply, { newsroom, language }: Visit): FastifyReply {
  if (!prefersPage(request) && request.method === 'POST') throw new Refusal('LINK_EXPIRED')
  return sendChoiceNote(request, reply, {
    newsroom,
    language,
    note: 'gone',
    ...(request.method === 'POST' ? { status: 410 } : {}),
  })
}

type Shown = {
  readonly draft?: PreferencesDraft
  readonly faults?: readonly PreferenceField[]
  readonly saved?: 'choices' | 'address' | 'data'
  readonly tooOften?: boolean
}

function sendForm(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { held, newsroom, language }: Visit,
  { draft, faults = [], saved, tooOften = false }: Shown,
): FastifyReply {
  const say = wordsFor(language, 'choices')
  const now = deps.now()
  const title = say('preferences.title', { newsroom: newsroom.name })
  const form = preferencesBox(draft ?? draftOf(held.wishes, newsroom, now), newsroom, language, now)
  const first = faults[0] ?? null
  return sendPage(request, reply, {
    template: 'preferences',
    language,
    title: first ? say('faultyTitle', { title }) : saved && saved !== 'data' ? say('savedTitle', { title }) : title,
    newsroom,
    languages: request.method === 'GET' ? newsroom.languages : [],
    ...(first ? { status: 422 } : {}),
    values: {
      ...{ form, faults, first, heading: title, tooOften, saved: saved ?? null },
      faultOf: (field: PreferenceField) =>
        // No line ends within the example; pasted into the field it is read all the same.
        faults.includes(field) ? say(`${field}Fault`, { example: form.example.replaceAll('-', '\u2011') }) : null,
      paused: toldPause(held.wishes, newsroom, language, now),
      address: maskedAddress(held.address ?? ''),
      action: `?language=${language}`,
    },
  })
}

const showSchema = {
  tags: ['reader'],
  summary: 'What a reader gets, in a form; changes nothing',
  description: 'The token is that of the link to unsubscribe.',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer },
}

const preferencesBody = Type.Object({
  act: Type.String({ enum: ['save', 'leave', 'leave-all', 'my-data'] }),
  frequency: Type.Optional(Type.String({ enum: ['immediate', 'daily', 'weekly'] })),
  topics: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())], { description: 'None: all' })),
  language: Type.Optional(languageTag),
  pause: Type.Optional(Type.String({ description: 'A day: 2027-03-01; empty: no pause' })),
  address: Type.Optional(Type.String({ description: 'A new address, which is asked to confirm' })),
})

const saveSchema = {
  tags: ['reader'],
  summary: 'Changes what a reader gets, or ends it',
  params: tokenParams,
  querystring: pageQuery,
  // Read in the door, which tells a fault beside its field.
  body: { content: { [formTypes[0]]: { schema: preferencesBody }, [formTypes[1]]: { schema: preferencesBody } } },
  response: {
    200: {
      description: 'How it stands now',
      content: {
        'application/json': {
          schema: Type.Object({
            state: Type.String({ enum: ['saved', 'address-asked', 'address-not-asked', 'link-asked', 'ended'] }),
          }),
        },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
    410: problemAnswer,
    422: problemAnswer,
  },
}
