import type { FastifyRequest } from 'fastify'
import { stateShown } from '../../../shared/release/shown-releases.sql.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** The answer as it was written earlier, if it still stands, and where to keep the one written instead. */
export type Earlier<Answer> = { readonly answer: Answer | null; keep(answer: Answer): void }

/** Answers about a newsroom, each under the address and the languages it was asked for with. */
export type KeptAnswers<Answer> = { find(request: FastifyRequest, slug: string): Promise<Earlier<Answer>> }

const mostBytes = 32 * 1024 * 1024
/** A newsroom's hour shows its zone as it is now, which is another half the year. */
const hour = 3_600_000

/**
 * What newsrooms show as it was last written, so that what many read is written once. Each time one question is asked of
 * the database: whether all it tells of is as it was. So a correction, a withdrawal or the end of an embargo shows at
 * once, in every process. `lengthOf`: characters of an answer.
 */
export function openKeptAnswers<Answer>(
  { pool, now }: Pick<ReaderDeps, 'pool' | 'now'>,
  lengthOf: (answer: Answer) => number,
): KeptAnswers<Answer> {
  const kept = new Map<string, { readonly answer: Answer; readonly state: string }>()
  let bytes = 0
  // Two bytes a character at most.
  const sizeOf = (key: string, answer: Answer) => 2 * (key.length + lengthOf(answer))

  function drop(key: string): void {
    const old = kept.get(key)
    if (!old) return
    kept.delete(key)
    bytes -= sizeOf(key, old.answer)
  }

  return {
    find: async (request, slug) => {
      const at = now()
      // Asked before the answer is written: what changes in between is in it, and the next reader's is written anew.
      const shown = await stateShown(pool, slug, at)
      const state = `${shown} ${Math.floor(at.getTime() / hour)}`
      const key = `${request.headers['accept-language'] ?? ''}\n${request.url}`
      const found = kept.get(key)
      drop(key)
      const keep = (answer: Answer) => {
        drop(key)
        kept.set(key, { answer, state })
        bytes += sizeOf(key, answer)
        // A map is in the order of its last writing, so the first is the one unused for longest.
        for (const oldest of kept.keys()) {
          if (bytes <= mostBytes) break
          drop(oldest)
        }
      }
      if (shown === null || found?.state !== state) return { answer: null, keep }
      keep(found.answer)
      return { answer: found.answer, keep }
    },
  }
}
