import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where the compiled processes are: `dist`, which `npm test` has just made, or where BUILT says, for a private copy. */
export const entries = process.env.BUILT ?? join(import.meta.dirname, '..', '..', 'dist')

/** The absolute path of a compiled file. */
export function entry(path: string): string {
  const file = join(entries, path)
  if (!existsSync(file)) throw new Error(`${file} is not there; npm run build makes it.`)
  return file
}
