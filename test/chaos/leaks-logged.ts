import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { testSecrets } from '../given/secrets.ts'
import type { Reader } from './readers.ts'

const addressLike = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g
/** As long as the shortest of ours; words and ids with as many letters are looked up and not found. */
const tokenLike = /[\w-]{20,}/g

/**
 * Lines that the installation's processes have logged in which a reader's address stands, a token of the links in their letters or
 * the secret these are made with: whoever may read a log may not act for a reader.
 */
export function readLeaksLogged(folder: string, readers: ReadonlyMap<string, Reader>): string[] {
  const tokens = new Set<string>()
  for (const { leaveUrl, confirmPath } of readers.values())
    for (const link of [leaveUrl, confirmPath]) for (const token of link?.match(tokenLike) ?? []) tokens.add(token)
  const tells = (line: string) =>
    line.match(addressLike)?.some((address) => readers.has(address)) ||
    line.match(tokenLike)?.some((token) => tokens.has(token)) ||
    testSecrets.some((secret) => line.includes(secret))
  return readdirSync(folder)
    .filter((name) => /^(api|workers)-\d+\.log$/.test(name))
    .flatMap((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter(tells)
        .map((line) => `${name}: ${line.slice(0, 300)}`),
    )
}
