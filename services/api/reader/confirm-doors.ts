import { Type } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { originHash } from '../../../shared/consent/consent.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import {
  activateSubscription,
  findSubscription,
  lockSubscription,
} from '../../../shared/subscription/subscription.sql.ts'
import type { Subscription } from '../../../shared/subscription/subscription.ts'
import { liftBounce } from '../../../shared/suppression/lift-bounce.sql.ts'
import { type ConfirmationStanding, confirmationStanding, newsroomOf, openConfirmation } from './confirmation-link.ts'
import { followBox } from './follow-box.ts'
import { sendNote } from './note-page.ts'
import { pageLanguage } from './page-language.ts'
import { htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

// Mail scanners open every link they find, and some run the scripts of what they find there. So the page asks, has no
// script, and only a POST from its button is the reader's second yes.
export function confirmDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const { url, hide } of pathsOf(app, '/confirm/:token')) {
    app.get<TokenRoute>(url, { schema: { ...askSchema, hide } }, async (request, reply) => {
      const claim = openConfirmation(deps.links, request.params.token)
      const subscription = await findSubscription(deps.pool, claim.subscriptionId)
      if (!subscription) throw new Refusal('LINK_NOT_VALID')
      return answer(deps, request, reply, subscription, confirmationStanding(subscription, claim, deps.now()))
    })

    app.post<TokenRoute>(url, { schema: { ...confirmSchema, hide } }, async (request, reply) => {
      const { subscription, standing } = await confirm(deps, request)
      return answer(deps, request, reply, subscription, standing)
    })
  }
}

/** The reader's second yes: once, however often the button is pressed. */
async function confirm(deps: ReaderDeps, request: FastifyRequest<TokenRoute>) {
  const claim = openConfirmation(deps.links, request.params.token)
  return inTransaction(deps.pool, async (tx) => {
    const subscription = await lockSubscription(tx, claim.subscriptionId)
    if (!subscription) throw new Refusal('LINK_NOT_VALID')
    const standing = confirmationStanding(subscription, claim, deps.now())
    if (standing !== 'open') return { subscription, standing }
    await activateSubscription(tx, subscription.id)
    await liftBounce(tx, subscription.subscriberId)
    const origin = originHash(deps.addressHashKey, request.ip, request.headers['user-agent'] ?? '')
    const entry = { act: 'confirmed', subscription, door: 'confirm-page', originHash: origin } as const
    await recordConsent(tx, { ...entry, language: subscription.language }, deps.now())
    return { subscription, standing: 'confirmed' as const }
  })
}

async function answer(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  subscription: Subscription,
  standing: ConfirmationStanding,
): Promise<FastifyReply> {
  const dead = standing === 'ended' || standing === 'expired'
  if (request.method === 'POST' && !prefersPage(request)) {
    if (dead) throw new Refusal('CONFIRMATION_EXPIRED')
    return reply.send({ state: 'active' })
  }
  const newsroom = await newsroomOf(deps.pool, subscription)
  const language = pageLanguage(request, [], subscription.language)
  const shown = { newsroom, language }
  if (dead)
    return sendNote(request, reply, { ...shown, note: standing, status: 410, follow: followBox(newsroom, language) })
  if (standing === 'confirmed') return sendNote(request, reply, { ...shown, note: 'confirmed' })
  const button = { name: 'answer', value: 'yes' }
  return sendNote(request, reply, { ...shown, note: 'confirm', small: 'confirm.ignore', button })
}

const askSchema = {
  tags: ['reader'],
  summary: 'Asks whether to follow; changes nothing',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer, 410: problemAnswer },
}

const confirmSchema = {
  tags: ['reader'],
  summary: "The reader's second yes",
  params: tokenParams,
  querystring: pageQuery,
  response: {
    200: {
      description: 'The reader follows',
      content: {
        'application/json': { schema: Type.Object({ state: Type.Literal('active') }) },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
    410: problemAnswer,
  },
}
