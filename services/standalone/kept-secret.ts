import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { readSettings, SettingsFault } from '../../shared/config/read-settings.ts'
import { LaunchError } from './launch-error.ts'

/**
 * SECRET_KEY, made once and kept in a file only its owner can read: links in letters must work after the next start. It is
 * read as the processes will read it, because what is sealed under one they refuse could be opened by none.
 */
export function keepSecret(path: string): readonly string[] {
  const kept = readIfThere(path)
  if (kept === null) {
    const secret = randomBytes(32).toString('base64url')
    writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
    return [secret]
  }
  try {
    return readSettings({ SECRET_KEY: kept }, ['SECRET_KEY']).SECRET_KEY
  } catch (error) {
    if (!(error instanceof SettingsFault)) throw error
    throw new LaunchError(
      `${path} holds no whole secret. Put back what was in it; only where there is no database yet, delete it.`,
      { cause: error },
    )
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return null
  }
}
