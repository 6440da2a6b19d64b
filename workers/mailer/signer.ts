import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { makeFrame } from '../../shared/dkim/signature-frame.ts'
import { planOf, type SigningPlan } from '../../shared/dkim/signing-plan.ts'
import type { PreparedLetter, ReaderSlots } from '../../shared/letter/letter.ts'

/** A letter to be signed, and the reader it is for. */
export type Unsigned = { readonly prepared: PreparedLetter; readonly reader: ReaderSlots }

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
 * A thread takes so many letters at once. Each time it is woken, and wakes us, costs both; of 8 one fifteenth fewer were signed in a
 * second, of 32 no more.
 */
export const lettersAtOnce = 16

/**
 * Signs on threads of its own, several letters at a time. Node's own pool takes one signature a task, and making, waking and
 * collecting tasks took the main thread twice what all else about a letter does. Threads are started as they are needed, and let
 * go when nothing was signed for a minute.
 */
export function openSigner(identity: DkimIdentity, now: () => Date, most = mostThreads): Signer {
  const threads = new Set<Thread>()
  let isQuiet = false
  /** What a letter takes, in milliseconds; at first as on a slow machine. */
  let each = longestBatch / 4

  /** The one with the least in hand. */
  function readiest(): Thread | null {
    let best: Thread | null = null
    for (const thread of threads) if (best === null || thread.batches() < best.batches()) best = thread
    return best
  }

  function hasRoom(): boolean {
    return threads.size < most || readiest()!.batches() < batchesInHand
  }

  function takerOf(): Thread {
    const ready = readiest()
    if (ready !== null && (ready.batches() < batchesInHand || threads.size >= most)) return ready
    const started = startThread(identity, {
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

/** How many letters' plans a thread keeps, those used last: more than it is given at once. */
const plansKept = 2 * lettersAtOnce

type Thread = {
  /** How many batches it has in hand. */
  batches(): number
  /** @param time seconds */
  sign(letters: readonly Unsigned[], time: number): Promise<readonly string[]>
  end(): Promise<unknown>
}

type Answer = { readonly batch: number } & (
  | { readonly signed: readonly string[]; readonly ms: number }
  | { readonly fault: string }
)
type Asked = { readonly batch: number; resolve(signed: readonly string[]): void; reject(error: Error): void }
type On = { worked(letters: number, ms: number): void; ended(): void }

function startThread({ domain, keys }: DkimIdentity, on: On): Thread {
  const worker = new Worker(join(import.meta.dirname, 'sign-thread.mjs'), {
    name: 'signer',
    env: {},
    workerData: { keys },
    resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
  })
  // It keeps nobody from ending, but while it has something in hand.
  worker.unref()
  const inHand: Asked[] = []
  const ids = new Map<SigningPlan, number>()
  let lastId = 0
  let lastBatch = 0
  let cause: unknown

  /** It is given nothing more. */
  function end(): Promise<unknown> {
    on.ended()
    return worker.terminate()
  }

  worker.on('message', (answer: Answer) => {
    // An answer was lost: nobody must have the signatures of others.
    if (inHand[0]?.batch !== answer.batch) return void end()
    const { resolve, reject } = inHand.shift()!
    if (inHand.length === 0) worker.unref()
    if ('fault' in answer) return reject(new Error(answer.fault))
    on.worked(answer.signed.length, answer.ms)
    resolve(answer.signed)
  })
  worker.on('messageerror', () => void end())
  worker.on('error', (error) => {
    cause = error
    on.ended()
  })
  worker.on('exit', () => {
    on.ended()
    for (const { reject } of inHand.splice(0)) reject(new Error('the thread that signs letters ended', { cause }))
  })

  /** What the thread is told of plans new to it, and which of them it may forget. */
  function introduce(plans: ReadonlySet<SigningPlan>) {
    const make: unknown[] = []
    const forget: number[] = []
    for (const plan of plans) {
      let id = ids.get(plan)
      if (id === undefined) {
        lastId += 1
        id = lastId
        const { names, fields, bodyStart, bodyRest } = plan
        make.push([id, { fields, bodyStart, bodyRest, frames: keys.map((key) => makeFrame(names, domain, key)) }])
      }
      // Again as the last one, for the order in which they are forgotten.
      ids.delete(plan)
      ids.set(plan, id)
    }
    for (const [plan, id] of ids) {
      if (ids.size <= plansKept) break
      ids.delete(plan)
      forget.push(id)
    }
    return { make, forget }
  }

  return {
    batches: () => inHand.length,
    sign(letters, time) {
      const plans = letters.map(({ prepared }) => planOf(prepared))
      const { make, forget } = introduce(new Set(plans))
      const signing = letters.map(({ reader }, n) => [ids.get(plans[n]!)!, reader])
      return new Promise((resolve, reject) => {
        lastBatch += 1
        try {
          worker.postMessage({ batch: lastBatch, make, forget, letters: signing, time })
        } catch (error) {
          // Of the plans it was to be told of it has not heard.
          void end()
          throw error
        }
        if (inHand.length === 0) worker.ref()
        inHand.push({ batch: lastBatch, resolve, reject })
      })
    },
    end,
  }
}
