import type { FastifyInstance } from 'fastify'

/**
 * A token's door under its path, and under the same path with the slash that some mail programs add; the second is left
 * out of the API's description, and out of the routes where the app forgives slashes by itself.
 */
export function pathsOf(app: FastifyInstance, path: string): { url: string; hide: boolean }[] {
  const options: { ignoreTrailingSlash?: boolean; routerOptions?: { ignoreTrailingSlash?: boolean } } =
    app.initialConfig
  const forgiving = options.ignoreTrailingSlash || options.routerOptions?.ignoreTrailingSlash
  const plain = { url: path, hide: false }
  return forgiving ? [plain] : [plain, { url: `${path}/`, hide: true }]
}
