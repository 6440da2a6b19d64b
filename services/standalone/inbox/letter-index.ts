import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises'
import type { LetterPlace } from './letter-segments.ts'

/** One letter in the inbox: one envelope recipient's copy. */
export type InboxLetter = {
  /** Grows by one a letter, and is never used again. */
  readonly id: number
  /** The envelope's recipient and sender, as the mail host was told them. */
  readonly to: string
  readonly from: string
  /** The From and Subject the letter itself shows. */
  readonly sender: string
  readonly subject: string
  readonly receivedAt: string
  readonly size: number
}

/** As the index notes it: with the place of its bytes. */
export type NotedLetter = InboxLetter & LetterPlace

export type LetterIndex = {
  append(letters: readonly NotedLetter[]): Promise<void>
  /** Writes the index anew: these letters, and the number the next one gets. */
  replace(letters: readonly NotedLetter[], next: number): Promise<void>
  close(): Promise<void>
}

/** What an earlier run noted. A line that a crash cut short is left out. */
export async function readIndex(path: string): Promise<{ letters: NotedLetter[]; next: number }> {
  const letters: NotedLetter[] = []
  let next = 1
  for (const line of (await readIfThere(path)).split('\n')) {
    const entry = parse(line)
    if (entry === null) continue
    if ('next' in entry) next = Math.max(next, entry.next)
    else {
      letters.push(entry)
      next = Math.max(next, entry.id + 1)
    }
  }
  return { letters, next }
}

/** The index on disk: JSON lines, appended to, so that a letter costs one line whatever the inbox holds. */
export async function openIndex(path: string, letters: readonly NotedLetter[], next: number): Promise<LetterIndex> {
  let file = await rewrite(path, letters, next)
  return {
    async append(added) {
      await file.appendFile(lines(added))
    },
    async replace(kept, nextId) {
      const fresh = await rewrite(path, kept, nextId)
      await file.close()
      file = fresh
    },
    close: () => file.close(),
  }
}

async function rewrite(path: string, letters: readonly NotedLetter[], next: number): Promise<FileHandle> {
  await writeFile(`${path}.new`, `${JSON.stringify({ next })}\n${lines(letters)}`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return open(path, 'a')
}

const lines = (letters: readonly NotedLetter[]) => letters.map((letter) => `${JSON.stringify(letter)}\n`).join('')

function parse(line: string): NotedLetter | { readonly next: number } | null {
  if (line === '') return null
  try {
    const entry = JSON.parse(line) as NotedLetter | { readonly next: number }
    return Number.isSafeInteger('next' in entry ? entry.next : entry.id) ? entry : null
  } catch {
    return null
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
