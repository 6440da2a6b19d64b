import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { versionedWording } from '../../../shared/consent/consent.ts'
import { untilNoNoticeMayBegin } from '../../../shared/delivery/may-still-begin.sql.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { forgetReplies } from '../../../shared/notice/notice.sql.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { forgetAddress, lockSubscriber } from '../../../shared/subscriber/subscriber.sql.ts'
import { endSubscription, findSubscription, lockSubscription } from '../../../shared/subscription/subscription.sql.ts'
import { linkStanding, type Subscription } from '../../../shared/subscription/subscription.ts'
import { newsroomOf, openConfirmation } from './confirmation-link.ts'
import { sendNote } from './note-page.ts'
import { originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

// The way out for somebody whose address another person typed. It works as long as the request is pending, also after
// the link to confirm has expired: there is no reason to keep an address whose owner says no, so it is deleted unless the
// same reader follows something else.
export function notMeDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const { url, hide } of pathsOf(app, '/not-me/:token')) {
    app.get<TokenRoute>(url, { schema: { ...askSchema, hide } }, async (request, reply) => {
      const claim = openConfirmation(deps.links, request.params.token)
      const subscription = await findSubscription(deps.pool, claim.subscriptionId)
      if (!subscription) throw new Refusal('LINK_NOT_VALID')
      const standing = linkStanding(subscription, claim.requestedAt)
      return answer(deps, request, reply, subscription, standing === 'open' ? 'notMe' : notes[standing])
    })

    app.post<TokenRoute>(url, { schema: { ...disownSchema, hide } }, async (request, reply) => {
      const { subscription, note } = await disown(deps, request)
      // Also where it had been withdrawn before: whoever presses twice may have the second answer first.
      if (note === notes.ended)
        await Promise.all([
          deps.afterOptOut(subscription.id),
          untilNoNoticeMayBegin(deps.pool, [subscription.subscriberId]),
        ])
      return answer(deps, request, reply, subscription, note)
    })
  }
}

const notes = { confirmed: 'notMeActive', ended: 'disowned' } as const

async function disown(deps: ReaderDeps, request: FastifyRequest<TokenRoute>) {
  const claim = openConfirmation(deps.links, request.params.token)
  return inTransaction(deps.pool, async (tx) => {
    const found = await findSubscription(tx, claim.subscriptionId)
    if (!found) throw new Refusal('LINK_NOT_VALID')
    // The subscriber first: a sign-up takes the two rows in this order too.
    await lockSubscriber(tx, found.subscriberId)
    const subscription = (await lockSubscription(tx, found.id)) ?? found
    const standing = linkStanding(subscription, claim.requestedAt)
    if (standing !== 'open') return { subscription, note: notes[standing] }
    await endSubscription(tx, subscription.id, 'disowned', ['pending'])
    const language = pageLanguage(request, [], subscription.language)
    const wording = versionedWording(wordsFor(language, 'pages')('notMe.button'))
    const seen = { door: 'not-me-page', language, wording, formUrl: `${deps.publicUrl}/not-me` }
    await recordConsent(tx, { act: 'disowned', subscription, originHash: originOf(deps, request), ...seen }, deps.now())
    if (await forgetAddress(tx, subscription.subscriberId)) await forgetReplies(tx, [subscription.subscriberId])
    return { subscription, note: notes.ended }
  })
}

async function answer(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  subscription: Subscription,
  note: 'notMe' | 'notMeActive' | 'disowned',
): Promise<FastifyReply> {
  if (request.method === 'POST' && !prefersPage(request))
    return reply.send({ state: note === 'disowned' ? 'ended' : 'active' })
  const newsroom = await newsroomOf(deps.pool, subscription)
  const shown = { newsroom, language: pageLanguage(request, [], subscription.language), note }
  return sendNote(request, reply, note === 'notMe' ? { ...shown, button: { name: 'answer', value: 'no' } } : shown)
}

const askSchema = {
  tags: ['reader'],
  summary: 'Asks whether to withdraw a request somebody else made; changes nothing',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer },
}

const disownSchema = {
  tags: ['reader'],
  summary: 'Withdraws a request that is still pending',
  params: tokenParams,
  querystring: pageQuery,
  response: {
    200: {
      description: 'How the subscription stands now',
      content: {
        'application/json': { schema: Type.Object({ state: Type.String({ enum: ['ended', 'active'] }) }) },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
  },
}
