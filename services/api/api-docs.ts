import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import plugin from 'fastify-plugin'
import { ReleaseWebhook } from './publisher/release-payload.ts'
import { Problem } from './refusal-replies.ts'

/** OpenAPI 3.1 at `/openapi.json`, made from the routes' own schemas, and pages of it at `/docs/`. */
export const apiDocs = (publicUrl: string) =>
  plugin(async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Pressebud',
          version: '1.0.0',
          description:
            'Readers follow a newsroom by email; a publisher’s system calls a signed webhook when a release goes out. Every refusal is problem+json (RFC 9457).',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: publicUrl }],
        tags: [
          { name: 'publisher', description: 'A publisher’s system, proved by its signature.' },
          { name: 'reader', description: 'Readers and their mailboxes, proved by the token in a link.' },
          { name: 'health', description: 'Whether the service is alive and ready.' },
        ],
        components: {
          securitySchemes: {
            webhookSignature: {
              type: 'apiKey',
              in: 'header',
              name: 'webhook-signature',
              description: 'Standard Webhooks 1.0, secrets of the form whsec_…',
            },
          },
        },
      },
      transform: ({ schema, url }) => ({
        schema: {
          ...schema,
          // The publisher's body is read as raw bytes for its signature, so its schema stands here and not on the route.
          ...(url === '/webhooks/newsrooms/:slug/releases' ? { body: ReleaseWebhook } : {}),
          response: { ...(schema?.response as object), default: anyOtherRefusal },
        },
        url,
      }),
    })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: contentPolicy,
      uiConfig: { docExpansion: 'list', validatorUrl: null },
    })
    app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  })

const anyOtherRefusal = {
  description: 'Any other refusal: a method, a body or a size no door takes, or a fault of ours',
  content: { 'application/problem+json': { schema: Problem } },
}

// The pages bring their own script and style, and their examples hold pictures as data. The one style written in an
// element, on a box that takes no room, is let in by its hash.
const contentPolicy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-hashes' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')
