import { availableParallelism } from 'node:os'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { lettersAtOnce, type SigningThread, startSigningThread, type Unsigned } from './signing-thread.ts'

export type Signer = {
  /** Whether a thread is free, or soon will be. What is given all the same waits there for longer. */
  hasRoom(): boolean
  /** How many letters to give it at once, `lettersAtOnce` at the most: by how long signatures take here. */
  atOnce(): number
  /**
   * The DKIM-Signature fields of each letter, one for each key, to stand before its first byte. Rejects if one of them cannot be
   * signed, or the thread that had them in hand ended.
   */
  sign(letters: readonly Unsigned[]): Promise<readonly string[]>
  close(): Promise<void>
}

/**
 * Signs on threads of its own, several letters at a time. Node's own pool takes one signature a task, and making, waking and
 * collecting tasks took the main thread twice what all else about a letter does. Threads are started as they are needed, and let
 * go when nothing was signed for a minute.
 */
export function openSigner(identity: DkimIdentity, now: () => Date, most = mostThreads): Signer {
  const threads = new Set<SigningThread>()
  let isQuiet = false
  /** What a letter takes, in milliseconds; at first as on a slow machine. */
  let each = longestBatch / 4

  /** The one with the least in hand. */
  function readiest(): SigningThread | null {
    let best: SigningThread | null = null
    for (const thread of threads) if (best === null || thread.batches() < best.batches()) best = thread
    return best
  }

  function hasRoom(): boolean {
    return threads.size < most || readiest()!.batches() < batchesInHand
  }

  function takerOf(): SigningThread {
    const ready = readiest()
    if (ready !== null && (ready.batches() < batchesInHand || threads.size >= most)) return ready
    const started = startSigningThread(identity, {
      worked: (letters, ms) => {
        each += (ms / letters - each) / 4
      },
      ended: () => threads.delete(started),
    })
    threads.add(started)
    return started
  }

  async function endAll(): Promise<void> {
    const ending = [...threads]
    threads.clear()
    await Promise.all(ending.map((thread) => thread.end()))
  }
  const watch = setInterval(() => {
    if (isQuiet && [...threads].every((thread) => thread.batches() === 0)) void endAll()
    isQuiet = true
  }, restAfter).unref()

  return {
    hasRoom,
    atOnce: () => Math.max(1, Math.min(lettersAtOnce, Math.floor(longestBatch / each))),
    sign: async (letters) => {
      isQuiet = false
      return await takerOf().sign(letters, Math.floor(now().getTime() / 1000))
    },
    close: async () => {
      clearInterval(watch)
      await endAll()
    },
  }
}

/**
 * Milliseconds for a batch. None of its letters leaves before all are signed: with a large key, or a core shared with many, sixteen would
 * keep a window waiting, or run out of their claim together.
 */
const longestBatch = 16

/** More sign no faster than one workers process hands letters over. */
const mostThreads = Math.min(availableParallelism(), 4)

/** A second one lies ready when the first is done. */
const batchesInHand = 2

/** So many letters the threads have in hand when all have enough to do. */
export const lettersInHand = mostThreads * batchesInHand * lettersAtOnce

/** Milliseconds; a thread takes some 15 MB. */
const restAfter = 60_000
