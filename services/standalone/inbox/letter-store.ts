import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readLetterHead } from './letter-head.ts'
import { type InboxLetter, type NotedLetter, openIndex, readIndex } from './letter-index.ts'
import { checkPlaces, openLetterSegments, removeUnknownSegments } from './letter-segments.ts'

export type LetterEnvelope = { readonly from: string; readonly to: readonly string[] }

export type LetterStore = {
  /** Settles when the letter is on disk, one copy for each recipient. */
  add(envelope: LetterEnvelope, raw: Buffer): Promise<void>
  /** Oldest first. */
  all(): readonly InboxLetter[]
  find(id: number): InboxLetter | null
  /** The letter's bytes as they came; null when it has been deleted meanwhile. */
  read(id: number): Promise<Buffer | null>
  clear(): Promise<void>
  /** Calls back for every letter that arrives; the answer ends it. */
  onArrival(listener: (letter: InboxLetter) => void): () => void
  close(): Promise<void>
}

export type LetterStoreDeps = { readonly now: () => Date }

type Waiting = {
  readonly envelope: LetterEnvelope
  readonly raw: Buffer
  readonly stored: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Keeps the newest `keep` letters. Those that arrive while others are being written form the next batch: one write for
 * their bytes and one for their lines in the index, however many they are.
 */
export async function openLetterStore(deps: LetterStoreDeps, folder: string, keep: number): Promise<LetterStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await recoverLetters(folder, keep)
  let { letters, next } = found
  let linesSinceRewrite = letters.length
  const segments = openLetterSegments(folder, letters)
  const index = await openIndex(join(folder, 'index.jsonl'), letters, next)
  const byId = new Map(letters.map((letter) => [letter.id, letter]))
  const listeners = new Set<(letter: InboxLetter) => void>()
  let waiting: Waiting[] = []
  // Everything that touches the disk's order happens in one line: batches of letters, clearing, the end.
  let line: Promise<unknown> = Promise.resolve()

  function takeTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    const turn = line.then(act)
    line = turn.catch(() => {})
    return turn
  }

  async function storeWaiting(): Promise<void> {
    const batch = waiting
    waiting = []
    try {
      const copies = batch.flatMap(({ envelope, raw }) => envelope.to.map((to) => ({ to, from: envelope.from, raw })))
      const firstId = next
      next += copies.length
      const places = await segments.append(
        copies.map(({ raw }) => raw),
        firstId,
      )
      const receivedAt = deps.now().toISOString()
      const added = places.map((place, at): NotedLetter => {
        const { to, from, raw } = copies[at] as (typeof copies)[number]
        return { id: firstId + at, to, from, ...readLetterHead(raw), receivedAt, ...place }
      })
      await index.append(added)
      await accept(added)
      for (const { stored } of batch) stored()
    } catch (error) {
      // A full disk may have cut a line short, and the next one would be glued to it.
      await index.replace(letters, next).catch(() => {})
      for (const { failed } of batch) failed(error)
    }
  }

  async function accept(added: readonly NotedLetter[]): Promise<void> {
    for (const letter of added) {
      letters.push(letter)
      byId.set(letter.id, letter)
      for (const listener of listeners) listener(letter)
    }
    for (const old of letters.splice(0, Math.max(0, letters.length - keep))) {
      byId.delete(old.id)
      await segments.forget(old)
    }
    linesSinceRewrite += added.length
    if (linesSinceRewrite > keep * 3) {
      linesSinceRewrite = letters.length
      await index.replace(letters, next)
    }
  }

  return {
    add: (envelope, raw) =>
      new Promise((stored, failed) => {
        waiting.push({ envelope, raw, stored, failed })
        if (waiting.length === 1) void takeTurn(storeWaiting)
      }),
    all: () => letters,
    find: (id) => byId.get(id) ?? null,
    async read(id) {
      const letter = byId.get(id)
      if (letter === undefined) return null
      return await segments.read(letter).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw error
      })
    },
    clear: () =>
      takeTurn(async () => {
        letters = []
        byId.clear()
        linesSinceRewrite = 0
        await index.replace([], next)
        await segments.forgetAll()
      }),
    onArrival(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () =>
      takeTurn(async () => {
        await segments.close()
        await index.close()
      }),
  }
}

/** Bytes without a line were never acknowledged, a line without its bytes is of a letter that was deleted: both go. */
async function recoverLetters(folder: string, keep: number): Promise<{ letters: NotedLetter[]; next: number }> {
  const noted = await readIndex(join(folder, 'index.jsonl'))
  const letters = (await checkPlaces(folder, noted.letters)).slice(-keep)
  await removeUnknownSegments(folder, letters)
  return { letters, next: noted.next }
}
