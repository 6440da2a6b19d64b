import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import type { Log } from '../../../shared/log/log.ts'
import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import { liveSecrets } from '../../../shared/newsroom/newsroom-key.sql.ts'
import type { SealingKeys } from '../../../shared/newsroom/webhook-secret.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { problemReplies } from '../refusal-replies.ts'
import { acceptWebhook, type PublishDeps } from './accept-webhook.ts'
import { isSigned } from './signature.ts'

export type PublisherDeps = PublishDeps & { readonly log: Log; readonly sealingKeys: SealingKeys }

/** A body larger than this is refused before it is read; a release in seven languages of 100,000 characters fits. */
const mostBytes = 1024 * 1024

/** The publisher's door: who they are is proved by the signature over the raw bytes, before anything in them is read. */
export const publisherDoors =
  (deps: PublisherDeps): FastifyPluginAsync =>
  async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: mostBytes }, (_request, body, done) =>
      done(null, body),
    )

    app.post<{ Params: { slug: string }; Body: Buffer | undefined }>(
      '/webhooks/newsrooms/:slug/releases',
      {
        bodyLimit: mostBytes,
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
              'TOO_BUSY',
            ),
          },
        },
      },
      async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
        const newsroom = await findNewsroom(deps.pool, request.params.slug)
        if (newsroom === null) throw new Refusal('NEWSROOM_UNKNOWN')
        const secrets = await liveSecrets(deps.pool, deps.sealingKeys, newsroom.id, deps.now())
        const headers = {
          id: one(request.headers['webhook-id']),
          timestamp: one(request.headers['webhook-timestamp']),
          signature: one(request.headers['webhook-signature']),
        }
        if (!isSigned(headers, body, secrets, deps.now())) throw new Refusal('SIGNATURE_NOT_VALID')
        const answer = await acceptWebhook(deps, newsroom, headers.id!, body)
        deps.log.info(
          { newsroom: newsroom.slug, release: answer.releaseId, mailing: answer.mailing.id },
          'release accepted',
        )
        return reply.code(202).send(answer)
      },
    )
  }

const one = (header: string | string[] | undefined) => (typeof header === 'string' ? header : undefined)
