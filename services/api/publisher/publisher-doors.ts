import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Log } from '../../../shared/log/log.ts'
import { warnSeldom } from '../../../shared/log/warn-seldom.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import { openSecrets, type SealingKeys } from '../../../shared/newsroom/webhook-secret.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { problemReplies } from '../refusal-replies.ts'
import { acceptWebhook, type PublishDeps } from './accept-webhook.ts'
import type { PublishAnswer } from './publish-answer.ts'
import { isSignable, isSigned } from './signature.ts'
import { openSigningKeys, type SigningKeys } from './signing-keys.ts'
import { openWebhookTurns } from './webhook-turns.ts'

export type PublisherDeps = PublishDeps & { readonly log: Log; readonly sealingKeys: SealingKeys }

/** A body larger than this is refused before it is read; a release in seven languages of 100,000 characters fits. */
const mostBytes = 1024 * 1024
/**
 * Bytes of webhooks that may be on their way in, or wait for their signature to be checked; counted from what their headers announce, so
 * that a thousand connections which send a megabyte each and then nothing fill no memory.
 */
const mostBytesUnproved = 64 * 1024 * 1024
/** Seconds after which a webhook that found too many waiting may come again. */
const comeAgainIn = 2

type WebhookRequest = {
  readonly params: { readonly slug: string }
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer | undefined
}
type Proved = { readonly slug: string; readonly webhookId: string; readonly bytes: Buffer }

/**
 * The publisher's door: who they are is proved by the signature over the raw bytes, before anything in them is read, and
 * before they wait for their turn. So what is not signed takes no place from what is.
 */
export const publisherDoors =
  (deps: PublisherDeps): FastifyPluginAsync =>
  async (app) => {
    const turns = openWebhookTurns()
    const keys = openSigningKeys(deps)
    let unproved = 0
    const roomOf = new WeakMap<FastifyRequest, () => void>()

    /** Keeps room for a body that is still to come, until it is proved or its connection is gone. */
    async function keepRoom(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      const refuse = (name: 'SIGNATURE_NOT_VALID' | 'TOO_BUSY') => {
        // What it has begun to send is not read to its end.
        reply.header('connection', 'close')
        throw new Refusal(name)
      }
      if (!isSignable(signedBy(request.headers), deps.now())) refuse('SIGNATURE_NOT_VALID')
      const room = Math.min(mostBytes, Number(request.headers['content-length'] ?? mostBytes))
      if (unproved + room > mostBytesUnproved) refuse('TOO_BUSY')
      unproved += room
      let isKept = true
      const letGo = () => {
        if (isKept) unproved -= room
        isKept = false
      }
      roomOf.set(request, letGo)
      reply.raw.once('close', letGo)
    }

    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: mostBytes }, (_request, body, done) =>
      done(null, body),
    )

    app.post<{ Params: WebhookRequest['params']; Body: WebhookRequest['body'] }>(
      '/webhooks/newsrooms/:slug/releases',
      {
        bodyLimit: mostBytes,
        onRequest: keepRoom,
        // The schema is told, not enforced by the framework: the signature comes first.
        attachValidation: true,
        schema: {
          summary: 'A release is published, corrected or withdrawn',
          description: 'Signed as Standard Webhooks 1.0 asks, over the raw body. A repeat gets the same answer.',
          tags: ['publisher'],
          security: [{ webhookSignature: [] }],
          params: Type.Object({ slug: Type.String({ maxLength: 63 }) }),
          headers: Type.Object({
            'webhook-id': Type.Optional(
              Type.String({ description: 'Unique for each event; the same when sent again.' }),
            ),
            'webhook-timestamp': Type.Optional(
              Type.String({ description: 'Seconds since 1970; within 300 s of now.' }),
            ),
            'webhook-signature': Type.Optional(
              Type.String({ description: '`v1,` and base64 of HMAC-SHA256; several, parted by spaces.' }),
            ),
          }),
          response: {
            202: Type.Object(
              {
                releaseId: Type.String({ format: 'uuid' }),
                revision: Type.Integer(),
                mailing: Type.Object({ id: Type.String(), state: Type.String() }),
                detail: Type.String({ description: 'What will happen, in a sentence.' }),
              },
              {
                description:
                  'Accepted and stored: every reader active now who wishes for it is owed this release, at once or in a digest.',
              },
            ),
            ...problemReplies(
              'BODY_NOT_JSON',
              'SIGNATURE_NOT_VALID',
              'NEWSROOM_UNKNOWN',
              'RELEASE_WITHDRAWN',
              'WEBHOOK_ID_REUSED',
              'BODY_TOO_LARGE',
              'BODY_NOT_VALID',
              'TOO_MANY_REQUESTS',
              'TOO_BUSY',
            ),
          },
        },
      },
      async (request, reply) => {
        const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
        const proved = await prove(deps, keys, request, bytes).finally(roomOf.get(request))
        const turn = await turns.inTurn(proved.slug, () => take(deps, proved))
        if (turn === 'too late') throw new Refusal('TOO_BUSY')
        if (turn === 'too many') {
          reply.header('retry-after', comeAgainIn)
          throw new Refusal('TOO_MANY_REQUESTS')
        }
        return reply.code(202).send(turn.answer)
      },
    )
  }

/** Whose webhook it is, or a refusal. It asks for nothing but the newsroom's keys. */
async function prove(
  deps: PublisherDeps,
  keys: SigningKeys,
  { params, headers }: WebhookRequest,
  bytes: Buffer,
): Promise<Proved> {
  const signed = signedBy(headers)
  const sealed = await keys.of(params.slug)
  if (sealed === null) throw new Refusal('NEWSROOM_UNKNOWN')
  const secrets = openSecrets(deps.sealingKeys, sealed, (key) =>
    warnSeldom(deps.log, { newsroom: params.slug, key }, 'a webhook key does not open and is passed over', key),
  )
  if (!isSigned(signed, bytes, secrets, deps.now())) throw new Refusal('SIGNATURE_NOT_VALID')
  return { slug: params.slug, webhookId: signed.id!, bytes }
}

async function take(deps: PublisherDeps, { slug, webhookId, bytes }: Proved): Promise<PublishAnswer> {
  const newsroom = await findNewsroom(deps.pool, slug)
  if (newsroom === null) throw new Refusal('NEWSROOM_UNKNOWN')
  const answer = await acceptWebhook(deps, newsroom, webhookId, bytes)
  deps.log.info({ newsroom: newsroom.slug, release: answer.releaseId, mailing: answer.mailing.id }, 'release accepted')
  return answer
}

const signedBy = (headers: IncomingHttpHeaders) => ({
  id: one(headers['webhook-id']),
  timestamp: one(headers['webhook-timestamp']),
  signature: one(headers['webhook-signature']),
})

const one = (header: string | string[] | undefined) => (typeof header === 'string' ? header : undefined)
