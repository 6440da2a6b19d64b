import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { makeFrame } from '../../shared/dkim/signature-frame.ts'
import { planOf, type SigningPlan } from '../../shared/dkim/signing-plan.ts'
import type { PreparedLetter, ReaderSlots } from '../../shared/letter/letter.ts'

/** A letter to be signed, and the reader it is for. */
export type Unsigned = { readonly prepared: PreparedLetter; readonly reader: ReaderSlots }

/**
 * A thread takes so many letters at once. Each time it is woken, and wakes us, costs both; of 8 one fifteenth fewer were signed in a
 * second, of 32 hardly more, for ten megabytes.
 */
export const lettersAtOnce = 16

/** How many letters' plans a thread keeps, those used last: more than it is given at once. */
const plansKept = 2 * lettersAtOnce

/** One thread that signs, and what we know of it. */
export type SigningThread = {
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

/**
 * Starts one. `on.worked`: it has signed so many letters, in so many milliseconds. `on.ended`: it is given nothing more, and what it had
 * in hand rejects; it may be told more than once.
 */
export function startSigningThread({ domain, keys }: DkimIdentity, on: On): SigningThread {
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
