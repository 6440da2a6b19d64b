import { constants } from 'node:zlib'
import compress, { type FastifyCompressOptions } from '@fastify/compress'
import type { FastifyPluginAsync } from 'fastify'
import { addressChangeDoors } from './address-change-doors.ts'
import { challengeDoors } from './challenge-doors.ts'
import { confirmDoors } from './confirm-doors.ts'
import { feeds } from './feeds.ts'
import { sealShownForms } from './form-age.ts'
import { homePage } from './home-page.ts'
import { openKeptAnswers } from './kept-answers.ts'
import { linkRequestDoors } from './link-request-doors.ts'
import { myDataDoors } from './my-data-doors.ts'
import { newsroomPage } from './newsroom-page.ts'
import { notMeDoors } from './not-me-doors.ts'
import { pageAssets } from './page-assets.ts'
import { pageHeaders, tokenPageHeaders } from './page-headers.ts'
import type { WrittenPage } from './page-reply.ts'
import { preferencesDoors } from './preferences-doors.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { refusalPages } from './refusal-pages.ts'
import { releasePage } from './release-page.ts'
import { signUpDoors } from './sign-up-doors.ts'
import { sitemap } from './sitemap.ts'
import { snippetDoors } from './snippet-doors.ts'
import { unsubscribeDoors } from './unsubscribe-doors.ts'

/** Every door a reader comes to. They prove who they are by the token in a link, or need not prove it at all. */
export function readerDoors(deps: ReaderDeps): FastifyPluginAsync {
  return async (app) => {
    pageHeaders(app, deps)
    refusalPages(app, deps)
    sealShownForms(app, deps)

    challengeDoors(app, deps)
    await app.register(async (scope) => {
      signUpDoors(scope, deps)
      snippetDoors(scope, deps)
    })
    linkRequestDoors(app, deps)

    await app.register(async (openApp) => {
      // Only what is the same for everybody is compressed: in an answer with a secret of one reader's in it, its length
      // would tell of the secret to whoever can add to the page.
      await openApp.register(compress, compression)
      pageAssets(openApp, deps)
      homePage(openApp, deps)
      const kept = openKeptAnswers<WrittenPage>(
        deps,
        ({ html }) => html.length,
        ({ headers, url }) => `${headers['accept-language'] ?? ''}\n${url}`,
      )
      newsroomPage(openApp, deps, kept)
      releasePage(openApp, deps, kept)
      feeds(openApp, deps)
      sitemap(openApp, deps)
    })

    await app.register(async (tokenApp) => {
      tokenPageHeaders(tokenApp)
      confirmDoors(tokenApp, deps)
      notMeDoors(tokenApp, deps)
      unsubscribeDoors(tokenApp, deps)
      preferencesDoors(tokenApp, deps)
      addressChangeDoors(tokenApp, deps)
      myDataDoors(tokenApp, deps)
    })
  }
}

// A window of 128 KB holds any of these answers; the usual one of 4 MB costs more to make than the packing. Packed on the
// spot, because a stream for a few kilobytes costs more than they do.
const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } = constants
const compression: FastifyCompressOptions = {
  encodings: ['br', 'gzip'],
  brotliOptions: { params: { [BROTLI_PARAM_QUALITY]: 4, [BROTLI_PARAM_LGWIN]: 17 } },
  syncThreshold: 128 * 1024,
}
