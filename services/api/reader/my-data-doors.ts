import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Language } from '../../../shared/language/language.ts'
import { languages } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { openExpiring, sealExpiring } from '../../../shared/links/expiring-link.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { eraseReader } from '../../../shared/subscriber/erase-reader.sql.ts'
import { collectHeldData, type HeldData } from '../../../shared/subscriber/held-data.sql.ts'
import { findReaderHash } from '../../../shared/subscriber/subscriber.sql.ts'
import type { SubscriberId } from '../../../shared/subscriber/subscriber.ts'
import { sendChoiceNote } from './choice-note.ts'
import { fieldOf } from './form-body.ts'
import { heldView } from './my-data-view.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { formTypes, htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { wordingOf } from './save-preferences.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

// All we hold about an address, behind a link that was mailed to it and works for a day; and from there, for an hour,
// the way to have it erased. Only a POST erases, and only with the box ticked.
export function myDataDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const { url, hide } of pathsOf(app, '/my-data/:token')) {
    app.get<TokenRoute>(url, { schema: { ...showSchema, hide } }, async (request, reply) => {
      const visit = await visitOf(deps, request, 'my-data')
      return visit ? sendHeld(deps, request, reply, visit) : sendOver(request, reply)
    })
  }
  for (const { url, hide } of pathsOf(app, '/my-data/:token/all.json'))
    app.get<TokenRoute>(url, { schema: { ...fileSchema, hide } }, async (request, reply) => {
      const visit = await visitOf(deps, request, 'my-data')
      if (!visit && prefersPage(request)) return sendOver(request, reply)
      if (!visit) throw new Refusal('LINK_EXPIRED')
      return reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', 'attachment; filename="pressebud.json"')
        .send(`${JSON.stringify({ askedAt: deps.now(), ...visit.held }, null, 2)}\n`)
    })
  for (const { url, hide } of pathsOf(app, '/erase/:token')) {
    app.get<TokenRoute>(url, { schema: { ...askSchema, hide } }, async (request, reply) => {
      const visit = await visitOf(deps, request, 'erase')
      return visit ? sendEraseForm(request, reply, visit, false) : sendOver(request, reply)
    })

    const eraseRoute = { schema: { ...eraseSchema, hide }, attachValidation: true, bodyLimit: 16 * 1024 }
    app.post<TokenRoute>(url, eraseRoute, async (request, reply) => erase(deps, request, reply))
  }
}

type Visit = {
  readonly subscriberId: SubscriberId
  readonly addressHash: Buffer
  readonly held: HeldData
  readonly newsroom: Newsroom | null
  readonly language: Language
}

/** Null: the link has expired, or the address it speaks of is gone. */
async function visitOf(
  deps: ReaderDeps,
  request: FastifyRequest<TokenRoute>,
  purpose: 'my-data' | 'erase',
): Promise<Visit | null> {
  const link = openExpiring(deps.links, purpose, request.params.token, deps.now())
  if (!link) throw new Refusal('LINK_NOT_VALID')
  const subscriberId = link.id as SubscriberId
  const addressHash = link.expired ? null : await findReaderHash(deps.pool, subscriberId)
  if (!addressHash) return null
  const held = await collectHeldData(deps.pool, addressHash)
  const shown = held.subscriptions.find(({ state }) => state === 'active') ?? held.subscriptions.at(-1)
  const newsroom = shown ? await findNewsroom(deps.pool, shown.newsroom) : null
  const language = pageLanguage(request, shown ? [] : languages, (shown?.language ?? 'en') as Language)
  return { subscriberId, addressHash, held, newsroom, language }
}

async function erase(deps: ReaderDeps, request: FastifyRequest<TokenRoute>, reply: FastifyReply) {
  const visit = await visitOf(deps, request, 'erase')
  if (!visit) {
    if (prefersPage(request)) return sendOver(request, reply)
    throw new Refusal('LINK_EXPIRED')
  }
  if (fieldOf(request, 'sure') !== 'yes') {
    if (prefersPage(request)) return sendEraseForm(request, reply, visit, true)
    throw new Refusal('CHOICE_NOT_VALID', [{ pointer: '/sure', detail: 'To erase, post sure=yes.' }])
  }
  const { newsroom, language } = visit
  const say = wordsFor(language, 'choices')
  const wording = wordingOf([say('erase.sure'), say('erase.button')])
  const { subscriptions } = await eraseReader(
    deps.pool,
    visit.addressHash,
    { door: 'erase-page', language, wording },
    deps.now(),
  )
  await Promise.all(subscriptions.map((one) => deps.afterOptOut(one)))
  if (!prefersPage(request)) return reply.send({ state: 'erased' })
  return sendChoiceNote(request, reply, { newsroom, language, note: 'erased' })
}

function sendHeld(deps: ReaderDeps, request: FastifyRequest<TokenRoute>, reply: FastifyReply, visit: Visit) {
  const { held, newsroom, language, subscriberId } = visit
  const say = wordsFor(language, 'choices')
  const view = heldView(held, newsroom, language)
  return sendPage(request, reply, {
    template: 'my-data',
    language,
    title: say('myData.title'),
    newsroom,
    languages: newsroom?.languages ?? [],
    values: {
      ...view,
      file: `/my-data/${request.params.token}/all.json`,
      erase: `/erase/${sealExpiring(deps.links, 'erase', subscriberId, deps.now())}?language=${language}`,
    },
  })
}

function sendEraseForm(request: FastifyRequest, reply: FastifyReply, { newsroom, language }: Visit, unsure: boolean) {
  const say = wordsFor(language, 'choices')
  const heading = say('erase.title')
  return sendPage(request, reply, {
    template: 'erase',
    language,
    title: unsure ? say('faultyTitle', { title: heading }) : heading,
    newsroom,
    ...(unsure ? { status: 422 } : {}),
    values: { heading, unsure, action: `?language=${language}` },
  })
}

const sendOver = (request: FastifyRequest, reply: FastifyReply) =>
  sendChoiceNote(request, reply, {
    newsroom: null,
    language: pageLanguage(request, languages, 'en'),
    note: 'over',
    status: 410,
  })

const showSchema = {
  tags: ['reader'],
  summary: 'What is held about an address; changes nothing',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer, 410: problemAnswer },
}

const fileSchema = {
  tags: ['reader'],
  summary: 'The same as a file, whole',
  params: tokenParams,
  response: {
    200: { description: 'Everything', content: { 'application/json': { schema: Type.String() } } },
    404: problemAnswer,
    410: problemAnswer,
  },
}

const askSchema = {
  tags: ['reader'],
  summary: 'Asks whether to erase everything about an address; changes nothing',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer, 410: problemAnswer },
}

const sureForm = Type.Object({ sure: Type.Literal('yes') })

const eraseSchema = {
  tags: ['reader'],
  summary: 'Erases everything about an address, for good',
  params: tokenParams,
  querystring: pageQuery,
  body: { content: { [formTypes[0]]: { schema: sureForm }, [formTypes[1]]: { schema: sureForm } } },
  response: {
    200: {
      description: 'It is erased',
      content: {
        'application/json': { schema: Type.Object({ state: Type.Literal('erased') }) },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
    410: problemAnswer,
    422: problemAnswer,
  },
}
