import type { FastifyRequest } from 'fastify'
import type { Language } from '../../../shared/language/language.ts'
import { stateShown } from '../../../shared/release/shown-releases.sql.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** A page as it is sent, but for the times in its forms. */
export type WrittenPage = { readonly html: string; readonly language: Language; readonly etag: string }

/** The page as it was written earlier, if it still stands, and where to keep the one written instead. */
export type Earlier = { readonly page: WrittenPage | null; keep(page: WrittenPage): void }

export type KeptPages = { find(request: FastifyRequest, slug: string): Promise<Earlier> }

const mostBytes = 32 * 1024 * 1024
/** A newsroom's hour shows its zone as it is now, which is another half the year. */
const hour = 3_600_000

/**
 * Pages of newsrooms as they were last written, so that one that many read is written once. Each time one question is
 * asked of the database: whether all they tell of is as it was. So a correction, a withdrawal or the end of an embargo
 * shows at once, in every process.
 */
export function openKeptPages({ pool, now }: Pick<ReaderDeps, 'pool' | 'now'>): KeptPages {
  const kept = new Map<string, { readonly page: WrittenPage; readonly state: string }>()
  let bytes = 0

  function drop(key: string): void {
    const old = kept.get(key)
    if (!old) return
    kept.delete(key)
    bytes -= sizeOf(key, old.page)
  }

  return {
    find: async (request, slug) => {
      const at = now()
      // Asked before the page is written: what changes in between is in the page, and the next reader's is written anew.
      const shown = await stateShown(pool, slug, at)
      const state = `${shown} ${Math.floor(at.getTime() / hour)}`
      const key = `${request.headers['accept-language'] ?? ''}\n${request.url}`
      const found = kept.get(key)
      drop(key)
      const keep = (page: WrittenPage) => {
        drop(key)
        kept.set(key, { page, state })
        bytes += sizeOf(key, page)
        // A map is in the order of its last writing, so the first is the one unused for longest.
        for (const oldest of kept.keys()) {
          if (bytes <= mostBytes) break
          drop(oldest)
        }
      }
      if (shown === null || found?.state !== state) return { page: null, keep }
      keep(found.page)
      return { page: found.page, keep }
    },
  }
}

// Two bytes a character at most.
const sizeOf = (key: string, { html }: WrittenPage) => 2 * (key.length + html.length)
