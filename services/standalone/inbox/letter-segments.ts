import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Where a letter's bytes lie: which file, from where, how many. */
export type LetterPlace = { readonly file: number; readonly at: number; readonly size: number }

export type LetterSegments = {
  /** Writes the letters one after another, with one write for all of them; the first one's id names a new file. */
  append(letters: readonly Buffer[], firstId: number): Promise<LetterPlace[]>
  read(place: LetterPlace): Promise<Buffer>
  /** The letter is forgotten; a file all of whose letters are goes too. */
  forget(place: LetterPlace): Promise<void>
  forgetAll(): Promise<void>
  close(): Promise<void>
}

/** A file is given up when it is this full, so that old letters leave the disk a few hundred at a time. */
const lettersInFile = 500
const bytesInFile = 32 * 1024 * 1024

const namePattern = /^(\d{9,})\.letters$/
const nameOf = (file: number) => `${String(file).padStart(9, '0')}.letters`

/**
 * Letters' bytes on disk, many to a file: making a file costs a journalling file system some thirty times what adding
 * to one does, and this inbox must keep up with whole mailings. Letters are byte for byte as they came.
 */
export function openLetterSegments(folder: string, known: readonly LetterPlace[]): LetterSegments {
  const living = new Map<number, number>()
  for (const { file } of known) living.set(file, (living.get(file) ?? 0) + 1)
  let current: { readonly file: number; readonly handle: FileHandle; at: number; letters: number } | null = null

  const remove = async (file: number) => {
    living.delete(file)
    await unlink(join(folder, nameOf(file))).catch(unlessGone)
  }
  async function giveUpCurrent(): Promise<void> {
    if (current === null) return
    const { file, handle } = current
    current = null
    await handle.close()
    if ((living.get(file) ?? 0) === 0) await remove(file)
  }
  async function roomyFile(firstId: number) {
    if (current !== null && (current.letters >= lettersInFile || current.at >= bytesInFile)) await giveUpCurrent()
    current ??= { file: firstId, handle: await open(join(folder, nameOf(firstId)), 'wx', 0o600), at: 0, letters: 0 }
    return current
  }

  return {
    async append(letters, firstId) {
      const target = await roomyFile(firstId)
      try {
        // Not writev: it takes no more than 1,024 buffers, and returns early when the disk fills.
        await target.handle.appendFile(letters.length === 1 ? (letters[0] as Buffer) : Buffer.concat(letters))
      } catch (error) {
        // What a full disk took of it would shift every later letter.
        await giveUpCurrent()
        throw error
      }
      return letters.map(({ length }) => {
        const place = { file: target.file, at: target.at, size: length }
        target.at += length
        target.letters += 1
        living.set(target.file, (living.get(target.file) ?? 0) + 1)
        return place
      })
    },
    async read({ file, at, size }) {
      const handle = await open(join(folder, nameOf(file)), 'r')
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, at)
        return buffer.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    async forget({ file }) {
      const left = (living.get(file) ?? 0) - 1
      living.set(file, left)
      if (left <= 0 && current?.file !== file) await remove(file)
    },
    async forgetAll() {
      living.clear()
      await giveUpCurrent()
      await removeUnknownSegments(folder, [])
    },
    close: giveUpCurrent,
  }
}

/** Which of these places are really there: all bytes of them. */
export async function checkPlaces<Place extends LetterPlace>(
  folder: string,
  noted: readonly Place[],
): Promise<Place[]> {
  const lengths = new Map<number, number>()
  for (const file of new Set(noted.map(({ file }) => file))) {
    const found = await stat(join(folder, nameOf(file))).catch(unlessGone)
    lengths.set(file, found?.size ?? -1)
  }
  return noted.filter(({ file, at, size }) => at + size <= (lengths.get(file) ?? -1))
}

/** Removes files no letter lies in: those of letters that were never acknowledged, or have been deleted. */
export async function removeUnknownSegments(folder: string, known: readonly LetterPlace[]): Promise<void> {
  const wanted = new Set(known.map(({ file }) => file))
  for (const name of await readdir(folder)) {
    const file = namePattern.exec(name)?.[1]
    if (file !== undefined && !wanted.has(Number(file))) await unlink(join(folder, name)).catch(unlessGone)
  }
}

function unlessGone(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
  throw error
}
