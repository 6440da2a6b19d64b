import { lstatSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'

/**
 * Makes a folder that others may read and only we may fill, or takes the one that is there. False when it is a link,
 * belongs to somebody else or is open to their writing: what lies in it could then be theirs, and we might run it.
 */
export async function makeOwnedFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 })
    if (!isOurs(path)) return false
    await chmod(path, 0o755)
    return true
  } catch {
    return false
  }
}

export function isOurs(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || !found.isDirectory()) return false
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o022) === 0)
}
