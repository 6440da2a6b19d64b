import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { LaunchError } from './launch-error.ts'
import { findRunningProcess } from './running-process.ts'

export type FolderLock = { release(): Promise<void> }

/**
 * Takes the lock file, so that two launchers never work on one data folder. A lock whose holder is gone, or whose
 * number now belongs to another process, is taken over.
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const self = findRunningProcess(process.pid)
  const mine = JSON.stringify({
    pid: process.pid,
    began: self?.began ?? 'unknown',
    nonce: randomBytes(8).toString('hex'),
  })
  const draft = beside(path)
  await writeFile(draft, mine, { mode: 0o644 })
  try {
    while (!(await claim(draft, path))) {
      const found = await readIfThere(path)
      if (found === null) continue
      const holder = livingHolder(found)
      if (holder !== null) {
        throw new LaunchError(
          `Pressebud is already running here: process ${holder} holds ${path}. Stop that one first.`,
        )
      }
      await removeStale(path, found)
    }
  } finally {
    await rm(draft, { force: true })
  }
  return {
    async release() {
      if ((await readIfThere(path)) === mine) await rm(path, { force: true })
    },
  }
}

/** Whether a launcher took this lock and died with it. */
export function isAbandoned(path: string): boolean {
  try {
    return livingHolder(readFileSync(path, 'utf8')) === null
  } catch {
    return false
  }
}

const beside = (path: string) => `${path}.${process.pid}.${randomBytes(4).toString('hex')}`

/** A hard link appears whole or not at all, so nobody ever reads a half-written lock. */
async function claim(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function livingHolder(lock: string): number | null {
  try {
    const { pid, began } = JSON.parse(lock) as { pid: number; began: string }
    const running = findRunningProcess(pid)
    return running !== null && running.began === began ? pid : null
  } catch {
    return null
  }
}

/** Two starters may judge the same lock stale, and the slower one would then move the winner's: it is put back. */
async function removeStale(path: string, judged: string): Promise<void> {
  const aside = beside(path)
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await readIfThere(aside)) !== judged) await claim(aside, path)
  await rm(aside, { force: true })
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
