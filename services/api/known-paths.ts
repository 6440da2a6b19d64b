import type { FastifyInstance } from 'fastify'

/** Tells a path that exists under another method from one that does not exist: 405 from 404. */
export type KnownPaths = { methodsOf(path: string): readonly string[] }

export function watchPaths(app: FastifyInstance): KnownPaths {
  const known: { pattern: RegExp; methods: Set<string> }[] = []
  const byUrl = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    let methods = byUrl.get(url)
    if (!methods) {
      methods = new Set()
      byUrl.set(url, methods)
      const escaped = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      known.push({
        pattern: new RegExp(`^${escaped.replace(/:[A-Za-z]+/g, '[^/]+').replace(/\*/g, '.*')}/?$`),
        methods,
      })
    }
    for (const name of [method].flat()) methods.add(name)
  })
  return {
    methodsOf: (path) => [
      ...new Set(known.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods])),
    ],
  }
}
