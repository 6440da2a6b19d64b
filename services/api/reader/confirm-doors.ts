import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { versionedWording } from '../../../shared/consent/consent.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { sealToken } from '../../../shared/links/token.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { addressHashOf } from '../../../shared/subscriber/subscriber.sql.ts'
import {
  activateSubscription,
  findSubscription,
  lockSubscription,
} from '../../../shared/subscription/subscription.sql.ts'
import type { Subscription } from '../../../shared/subscription/subscription.ts'
import { liftByConfirming } from '../../../shared/suppression/lift-by-confirming.sql.ts'
import { type ConfirmationStanding, confirmationStanding, newsroomOf, openConfirmation } from './confirmation-link.ts'
import { followBox } from './follow-box.ts'
import { fieldOf } from './form-body.ts'
import { letterWasWanted } from './letter-budgets.ts'
import { sendNote } from './note-page.ts'
import { originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { renewConfirmation } from './renew-confirmation.ts'
import { pathsOf } from './token-paths.ts'
import { whatComes } from './what-comes.ts'

type TokenRoute = { Params: { token: string } }

/** How a link stands once it has been answered: `renewed`, its reader asked for a new one. */
type Answered = ConfirmationStanding | 'renewed'

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
      const { subscription, standing, isYoung } = await confirm(deps, request)
      if (standing === 'expired' && fieldOf(request, renew.name) === renew.value) {
        await renewConfirmation(deps, request, reply, subscription)
        return answer(deps, request, reply, subscription, 'renewed')
      }
      return answer(deps, request, reply, subscription, standing, isYoung)
    })
  }
}

const renew = { name: 'answer', value: 'renew' } as const

/** The reader's second yes: once, however often the button is pressed. */
async function confirm(deps: ReaderDeps, request: FastifyRequest<TokenRoute>) {
  const claim = openConfirmation(deps.links, request.params.token)
  return inTransaction(deps.pool, async (tx) => {
    const subscription = await lockSubscription(tx, claim.subscriptionId)
    if (!subscription) throw new Refusal('LINK_NOT_VALID')
    const isYoung = deps.now() < claim.expiresAt
    const standing = confirmationStanding(subscription, claim, deps.now())
    if (standing !== 'open') return { subscription, standing, isYoung }
    await activateSubscription(tx, subscription.id)
    await liftByConfirming(tx, subscription.subscriberId)
    const { language, topics, frequency } = subscription
    const entry = { act: 'confirmed', subscription, door: 'confirm-page', originHash: originOf(deps, request) } as const
    const newsroom = await newsroomOf(tx, subscription)
    const shown = pageLanguage(request, [], language)
    const wording = versionedWording(wordsFor(shown, 'follow')('confirm.button', { newsroom: newsroom.name }))
    const seen = { language: shown, wording, formUrl: `${deps.publicUrl}/confirm` }
    await recordConsent(tx, { ...entry, ...seen, wishes: { language, topics, frequency } }, deps.now())
    const hash = await addressHashOf(tx, subscription.subscriberId)
    if (hash) await letterWasWanted(tx, deps.addressHashKey, hash, subscription.newsroomId)
    return { subscription, standing: 'confirmed' as const, isYoung }
  })
}

async function answer(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  subscription: Subscription,
  standing: Answered,
  showsWayIn = false,
): Promise<FastifyReply> {
  const isDead = standing === 'ended' || standing === 'expired'
  if (request.method === 'POST' && !prefersPage(request)) {
    if (isDead) throw new Refusal('CONFIRMATION_EXPIRED')
    return reply.send({ state: standing === 'renewed' ? 'asked' : 'active' })
  }
  const newsroom = await newsroomOf(deps.pool, subscription)
  const language = pageLanguage(request, [], subscription.language)
  const shown = { newsroom, language, room: 'follow' } as const
  switch (standing) {
    case 'open': {
      const button = { name: 'answer', value: 'yes' }
      const gets = whatComes(newsroom, subscription, language)
      return sendNote(request, reply, { ...shown, note: 'confirm', small: 'confirm.ignore', button, gets })
    }
    case 'confirmed': {
      const body = `confirmed.${subscription.frequency}`
      // Whoever has just said yes holds the mailbox. The link alone, opened again or found years later, shows no way in.
      const next = showsWayIn ? preferences(deps, subscription, language) : null
      return sendNote(request, reply, { ...shown, note: 'confirmed', body, small: 'confirmed.leave', next })
    }
    case 'expired':
      return sendNote(request, reply, { ...shown, note: 'expired', status: 410, button: renew })
    case 'renewed':
      return sendNote(request, reply, { ...shown, note: 'renewed', small: 'renewed.wait' })
    case 'ended':
      return sendNote(request, reply, { ...shown, note: 'ended', status: 410, follow: followBox(newsroom, language) })
  }
}

/** The page of preferences, which the same token opens that unsubscribes: both stand in every letter. */
function preferences(deps: ReaderDeps, { id }: Subscription, language: Subscription['language']) {
  const token = sealToken(deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])
  return {
    href: `/preferences/${token}?language=${language}`,
    words: wordsFor(language, 'follow')('confirmed.preferences'),
  }
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
  description: 'With `answer=renew`, a link that has expired sends a new one to the address it went to.',
  params: tokenParams,
  querystring: pageQuery,
  response: {
    200: {
      description: 'The reader follows, or a new link is on its way',
      content: {
        'application/json': { schema: Type.Object({ state: Type.String({ enum: ['active', 'asked'] }) }) },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
    410: problemAnswer,
    429: problemAnswer,
  },
}
