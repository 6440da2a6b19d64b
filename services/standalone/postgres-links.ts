import { lstat, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

/**
 * npm packages cannot hold symbolic links; PostgreSQL's libraries need some, and the package makes them in an install
 * script. Where those are blocked we make them, by the same list. False when the folder cannot be written.
 */
export async function recreateLinks(native: string): Promise<boolean> {
  for (const { source, target } of await readList(native)) {
    // The list counts from the package's root: native/lib/libpq.so.5.
    const path = join(native, relative('native', target))
    const wanted = relative(dirname(target), source)
    if (await isRight(path, wanted)) continue
    const draft = `${path}.${process.pid}`
    try {
      await symlink(wanted, draft)
      await rename(draft, path)
    } catch {
      await rm(draft, { force: true }).catch(() => {})
      return false
    }
  }
  return true
}

async function readList(native: string): Promise<readonly { source: string; target: string }[]> {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  } catch (error) {
    // The Windows package has no list, because it needs no links.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** A plain file in a link's place is right too: some installers follow links when they copy. */
async function isRight(path: string, wanted: string): Promise<boolean> {
  try {
    const found = await lstat(path)
    return found.isSymbolicLink() ? (await readlink(path)) === wanted : found.isFile()
  } catch {
    return false
  }
}
