import rateLimit from '@fastify/rate-limit'
import type { FastifyPluginAsync } from 'fastify'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { confirmDoors } from './confirm-doors.ts'
import { homePage } from './home-page.ts'
import { newsroomPage } from './newsroom-page.ts'
import { notMeDoors } from './not-me-doors.ts'
import { pageAssets } from './page-assets.ts'
import { pageHeaders, tokenPageHeaders } from './page-headers.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { refusalPages } from './refusal-pages.ts'
import { releasePage } from './release-page.ts'
import { signUpDoors } from './sign-up-doors.ts'
import { unsubscribeDoors } from './unsubscribe-doors.ts'

/** Every door a reader comes to. They prove who they are by the token in a link, or need not prove it at all. */
export function readerDoors(deps: ReaderDeps): FastifyPluginAsync {
  return async (app) => {
    // No headers but Retry-After: a count that went down with each answer would make equal answers differ.
    await app.register(rateLimit, {
      global: false,
      addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      // One household or server commands a whole /64, so it is one network address.
      ipv6Subnet: 64,
      errorResponseBuilder: () => new Refusal('TOO_MANY_REQUESTS'),
    })
    pageHeaders(app, deps)
    refusalPages(app, deps)

    pageAssets(app, deps)
    homePage(app, deps)
    newsroomPage(app, deps)
    releasePage(app, deps)
    signUpDoors(app, deps)

    await app.register(async (tokenApp) => {
      tokenPageHeaders(tokenApp)
      confirmDoors(tokenApp, deps)
      notMeDoors(tokenApp, deps)
      unsubscribeDoors(tokenApp, deps)
    })
  }
}
