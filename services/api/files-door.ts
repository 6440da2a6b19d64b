import fastifyStatic from '@fastify/static'
import type { FastifyPluginAsync } from 'fastify'

/**
 * Pictures and documents of releases, for publishers without a web host of their own. Whatever lies there is shown
 * without rights: no script of it runs on our origin.
 */
export const filesDoor =
  (folder: string): FastifyPluginAsync =>
  async (app) => {
    await app.register(fastifyStatic, {
      root: folder,
      prefix: '/files/',
      index: false,
      dotfiles: 'ignore',
      decorateReply: false,
      maxAge: 3_600_000,
      setHeaders: (reply) => {
        reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        reply.header('x-content-type-options', 'nosniff')
        reply.header('cross-origin-resource-policy', 'cross-origin')
      },
    })
  }
