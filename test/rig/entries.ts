import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** Where the compiled processes are: `dist`, which `npm test` has just made, or where BUILT says, for a private copy. */
export const entries = process.env.BUILT ?? join(root, 'dist')

/** The absolute path of a compiled file. */
export function entry(path: string): string {
  const file = join(entries, path)
  if (!existsSync(file)) throw new Error(`${file} is not there; npm run build makes it.`)
  return file
}

/** A test run by itself, without npm, would otherwise try yesterday's code and tell nobody. */
if (!process.env.BUILT && existsSync(join(root, 'dist', '.built'))) {
  const { latest } = JSON.parse(readFileSync(join(root, 'dist', '.built'), 'utf8')) as { latest: number }
  if (['services', 'workers', 'shared'].some((room) => newestIn(join(root, room)) > latest))
    console.warn('dist is older than the sources; npm run build makes it anew.')
}

function newestIn(folder: string): number {
  const times = readdirSync(folder, { withFileTypes: true }).map((found) => {
    const path = join(folder, found.name)
    return found.isDirectory() ? newestIn(path) : statSync(path).mtimeMs
  })
  return Math.max(0, ...times)
}
