import type { FastifyRequest } from 'fastify'

/** A browser says that it reads HTML; mail providers and programs say nothing, or name JSON. */
export const prefersPage = (request: FastifyRequest): boolean => /\btext\/html\b/i.test(request.headers.accept ?? '')
