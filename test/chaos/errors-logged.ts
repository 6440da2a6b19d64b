import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Line = { readonly level: number; readonly msg?: string; readonly err?: { readonly message?: string } }

const error = 50

/**
 * What the installation's processes have logged as an error, a line each. Whatever a run does to its parts, that is a warning at
 * the most: an error is a fault of ours. A process that is started while the database is away cannot start, and says so.
 */
export function readErrorsLogged(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^(api|workers)-\d+\.log$/.test(name))
    .flatMap((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter((text) => text.startsWith('{'))
        .flatMap((text) => {
          const line = parse(text)
          const isFault = line !== null && line.level >= error && !line.msg?.endsWith('could not start')
          return isFault ? [`${name}: ${line.msg} ${line.err?.message ?? ''}`] : []
        }),
    )
}

/** The last line of a process that was killed may be cut short. */
function parse(text: string): Line | null {
  try {
    return JSON.parse(text) as Line
  } catch {
    return null
  }
}
