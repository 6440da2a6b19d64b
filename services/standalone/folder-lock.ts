import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LaunchError } from './launch-error.ts'
import { findRunningProcess } from './running-process.ts'

export type FolderLock = { release(): Promise<void> }

/**
 * Takes the lock file, so that two launchers never work on one data folder. A lock whose holder is gone, or whose
 * number now belongs to another process, is taken over, by exactly one of however many try.
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const self = findRunningProcess(process.pid)
  const mine = JSON.stringify({
    pid: process.pid,
    began: self?.began ?? 'unknown',
    // Two locks never read the same: whoever judged one can tell whether it is still that one.
    nonce: randomBytes(8).toString('hex'),
  })
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, mine, { mode: 0o644 })
  try {
    while (!(await claim(draft, path))) {
      const found = await readIfThere(path)
      if (found === null) continue
      refuseIfHeld(path, found)
      if (await follow(draft, path, found)) break
    }
    await clearFollowers(path)
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

function refuseIfHeld(path: string, lock: string): void {
  const holder = livingHolder(lock)
  if (holder === null) return
  throw new LaunchError(`Pressebud is already running here: process ${holder} holds ${path}. Stop that one first.`)
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

/**
 * A dead holder's lock is never removed, only replaced, and only by its follower: whoever first linked the file named
 * after it. A follower that died before it replaced the lock is followed in the same way. The lock is read once more
 * behind that link, because followers are cleared away when they have done their work, and a slow starter may then link
 * the name of a lock that is long replaced.
 */
async function follow(draft: string, path: string, dead: string): Promise<boolean> {
  for (let last = dead; ; ) {
    const place = placeAfter(path, last)
    if (await claim(draft, place)) {
      if ((await readIfThere(path)) === dead) {
        await rename(draft, path)
        return true
      }
      await rm(place, { force: true })
      return false
    }
    const follower = await readIfThere(place)
    if (follower === null) return false
    refuseIfHeld(path, follower)
    last = follower
  }
}

const placeAfter = (path: string, lock: string) =>
  `${path}.after.${createHash('sha256').update(lock).digest('hex').slice(0, 16)}`

/** Once the lock is ours, no follower of an earlier one can come to anything. */
async function clearFollowers(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder))
    if (name.startsWith(`${basename(path)}.after.`)) await rm(join(folder, name), { force: true })
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
