import type { FastifyRequest } from 'fastify'
import { isSlug } from '../../../shared/newsroom/newsroom.ts'
import { stateShown } from '../../../shared/release/shown-releases.sql.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** Answers about a newsroom, each under what was asked for. */
export type KeptAnswers<Answer> = {
  /** The answer as it was written earlier, if it still stands; else what `write` makes of it. Null is not kept. */
  of<Written extends Answer | null>(
    request: FastifyRequest,
    slug: string,
    write: () => Promise<Written>,
  ): Promise<Written | Answer>
}

const mostBytes = 32 * 1024 * 1024
/** A newsroom's hour shows its zone as it is now, which is another half the year. */
const hour = 3_600_000

/**
 * What newsrooms show as it was last written, so that what many read is written once. Each time one question is asked of
 * the database: whether all it tells of is as it was. So a correction, a withdrawal or the end of an embargo shows at
 * once, in every process. Those who come while an answer is being written wait for that one, instead of writing it once
 * more each. `lengthOf`: characters of an answer; `keyOf`: all of a request that the answer depends on.
 */
export function openKeptAnswers<Answer>(
  { pool, now }: Pick<ReaderDeps, 'pool' | 'now'>,
  lengthOf: (answer: Answer) => number,
  keyOf: (request: FastifyRequest) => string,
): KeptAnswers<Answer> {
  const kept = new Map<string, { readonly answer: Answer; readonly state: string }>()
  const beingWritten = new Map<string, Promise<Answer | null>>()
  let bytes = 0
  // Two bytes a character at most.
  const sizeOf = (key: string, answer: Answer) => 2 * (key.length + lengthOf(answer))

  function drop(key: string): void {
    const old = kept.get(key)
    if (!old) return
    kept.delete(key)
    bytes -= sizeOf(key, old.answer)
  }

  function keep(key: string, state: string, answer: Answer): void {
    drop(key)
    kept.set(key, { answer, state })
    bytes += sizeOf(key, answer)
    // A map is in the order of its last writing, so the first is the one unused for longest.
    for (const oldest of kept.keys()) {
      if (bytes <= mostBytes) break
      drop(oldest)
    }
  }

  async function writeOnce<Written extends Answer | null>(
    key: string,
    state: string,
    write: () => Promise<Written>,
  ): Promise<Written | Answer> {
    const flight = `${state}\n${key}`
    const other = beingWritten.get(flight) as Promise<Written> | undefined
    if (other) return other
    const writing = write()
    beingWritten.set(flight, writing)
    try {
      const written = await writing
      if (written !== null) keep(key, state, written)
      return written
    } finally {
      beingWritten.delete(flight)
    }
  }

  return {
    of: async (request, slug, write) => {
      const at = now()
      // Asked before the answer is written: what changes in between is in it, and the next reader's is written anew.
      const shown = isSlug(slug) ? await stateShown(pool, slug, at) : null
      // A newsroom that is not there is told so by whoever looks for it.
      if (shown === null) return write()
      const state = `${shown} ${Math.floor(at.getTime() / hour)}`
      const key = keyOf(request)
      const found = kept.get(key)
      if (found?.state !== state) return writeOnce(key, state, write)
      keep(key, state, found.answer)
      return found.answer
    },
  }
}
