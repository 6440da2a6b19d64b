import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { versionedWording } from '../../../shared/consent/consent.ts'
import { type Language, languages } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { type LinkKeys, openToken } from '../../../shared/links/token.ts'
import { findNewsroomById } from '../../../shared/newsroom/newsroom.sql.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { endSubscription, findSubscription } from '../../../shared/subscription/subscription.sql.ts'
import { canBeLeft, type Subscription, type SubscriptionId } from '../../../shared/subscription/subscription.ts'
import { fieldOf } from './form-body.ts'
import { sendNote } from './note-page.ts'
import { originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { formTypes, htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

/** Field and value that RFC 8058 has mailboxes post; the page's own button posts the same. */
const oneClick = { name: 'List-Unsubscribe', value: 'One-Click' } as const

// Mail scanners open every link they find, so following one must change nothing. The page asks; only a POST, from its
// button or from the mailbox's one-click, ends the subscription. The link works for ever and as often as it is used.
export function unsubscribeDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const { url, hide } of pathsOf(app, '/unsubscribe/:token')) {
    app.get<TokenRoute>(url, { schema: { ...askSchema, hide } }, async (request, reply) => {
      const { subscriptionId } = openUnsubscribe(deps.links, request.params.token)
      return answer(deps, request, reply, subscriptionId)
    })

    app.options<TokenRoute>(url, { schema: { hide: true } }, async (_request, reply) =>
      reply.status(204).header('allow', 'GET, HEAD, POST, OPTIONS').send(),
    )

    const leaveRoute = { schema: { ...leaveSchema, hide }, attachValidation: true, bodyLimit: 16 * 1024 }
    app.post<TokenRoute>(url, leaveRoute, async (request, reply) => {
      const link = openUnsubscribe(deps.links, request.params.token)
      if (fieldOf(request, oneClick.name) !== oneClick.value) throw new Refusal('ONE_CLICK_NOT_ASKED')
      await leave(deps, link, request)
      // Also when it had ended before: whoever ended it may have stopped between the two steps.
      await deps.afterOptOut(link.subscriptionId)
      if (!prefersPage(request)) return reply.send({ state: 'ended' })
      return answer(deps, request, reply, link.subscriptionId)
    })
  }
}

type UnsubscribeLink = { readonly subscriptionId: SubscriptionId; readonly mailingId: string | null }

function openUnsubscribe(links: LinkKeys, token: string): UnsubscribeLink {
  const numbers = openToken(links, 'unsubscribe', token)
  if (!numbers) throw new Refusal('LINK_NOT_VALID')
  const [subscription, mailing] = numbers
  return {
    subscriptionId: subscription.toString() as SubscriptionId,
    mailingId: mailing === 0n ? null : mailing.toString(),
  }
}

async function leave(deps: ReaderDeps, link: UnsubscribeLink, request: FastifyRequest): Promise<void> {
  await inTransaction(deps.pool, async (tx) => {
    const subscription = await endSubscription(tx, link.subscriptionId, 'unsubscribed')
    if (!subscription) return
    const entry = {
      ...({ act: 'ended', subscription, originHash: originOf(deps, request) } as const),
      ...(link.mailingId === null ? {} : { mailingId: link.mailingId }),
    }
    // Who pressed a button of their mailbox saw no words of ours.
    const seen = prefersPage(request) ? seenOnPage(deps, request, subscription) : { door: 'one-click' }
    await recordConsent(tx, { ...entry, ...seen }, deps.now())
  })
}

/** What the page of the button said, as the log of consent keeps it. */
function seenOnPage(deps: ReaderDeps, request: FastifyRequest, { language: preferred }: Subscription) {
  const language = pageLanguage(request, [], preferred)
  const wording = versionedWording(wordsFor(language, 'pages')('unsubscribe.button'))
  return { door: 'unsubscribe-page', language, wording, formUrl: `${deps.publicUrl}/unsubscribe` }
}

/** Whoever only wants less may have it. */
const preferencesOf = (token: string, language: Language) => ({
  href: `/preferences/${token}?language=${language}`,
  words: wordsFor(language, 'choices')('ask.preferences.title'),
})

async function answer(
  deps: ReaderDeps,
  request: FastifyRequest<TokenRoute>,
  reply: FastifyReply,
  subscriptionId: SubscriptionId,
): Promise<FastifyReply> {
  const subscription = await findSubscription(deps.pool, subscriptionId)
  const newsroom = subscription && (await findNewsroomById(deps.pool, subscription.newsroomId))
  // The link outlives the rows it speaks of: whoever was forgotten since has left all the same.
  const language = pageLanguage(request, subscription ? [] : languages, subscription?.language ?? 'en')
  if (subscription && canBeLeft(subscription))
    return sendNote(request, reply, {
      ...{ newsroom, language, note: 'unsubscribe', button: oneClick },
      next: subscription.state === 'active' ? preferencesOf(request.params.token, language) : null,
    })
  const left = { newsroom, language, note: 'unsubscribed' }
  return sendNote(request, reply, newsroom ? left : { ...left, body: 'unsubscribed.plain' })
}

const askSchema = {
  tags: ['reader'],
  summary: 'Asks whether to unsubscribe; changes nothing',
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer },
}

const oneClickForm = Type.Object({ [oneClick.name]: Type.Literal(oneClick.value) })

const leaveSchema = {
  tags: ['reader'],
  summary: 'Unsubscribes (RFC 8058 one-click, and the page)',
  description: 'Takes effect before it is answered. Needs no cookie, no origin and no login, and may be repeated.',
  params: tokenParams,
  querystring: pageQuery,
  // Checked in the door, which answers 400 to any other body.
  body: { content: { [formTypes[0]]: { schema: oneClickForm }, [formTypes[1]]: { schema: oneClickForm } } },
  response: {
    200: {
      description: 'The subscription has ended',
      content: {
        'application/json': { schema: Type.Object({ state: Type.Literal('ended') }) },
        'text/html': { schema: Type.String() },
      },
    },
    400: problemAnswer,
    404: problemAnswer,
  },
}
