import { lstatSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { LaunchError } from './launch-error.ts'
import { makeOwnedFolder } from './owned-folder.ts'
import { mayEnter, type ServerAccount } from './postgres-account.ts'

/** `<dataDir>/postgres-is-elsewhere.txt`: its first line is the folder, the rest is for people. */
const noteName = 'postgres-is-elsewhere.txt'
/** What a throw-away cluster's folder in the temporary folder begins with. */
export const throwAwayPrefix = 'pressebud-postgres-'

/** Where the data lies if this folder has been used before: its own subfolder, or where the note points. */
export function findDataFolder(dataDir: string): string | null {
  const folder = join(placeInNote(dataDir) ?? dataDir, 'postgres')
  try {
    return statSync(folder).isDirectory() ? folder : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new LaunchError(`The database in ${folder} cannot be entered: ${(error as Error).message}.`, { cause: error })
  }
}

/** The folder that is to hold `postgres/`, its lock and its log: the data folder, unless the account cannot reach it. */
export async function choosePlace(dataDir: string, account: ServerAccount): Promise<string> {
  await makeDataDir(dataDir)
  const noted = placeInNote(dataDir)
  if (noted !== null) {
    if (statSync(noted, { throwIfNoEntry: false })?.isDirectory()) return noted
    throw new LaunchError(
      `The database should be in ${noted}, but that folder is gone: bring it back, or delete ${join(dataDir, noteName)} to begin with an empty database.`,
    )
  }
  if (mayEnter(account, dataDir)) return dataDir
  const place = await makePlaceElsewhere(dataDir, account)
  await writeFile(
    join(dataDir, noteName),
    `${place}\n\nThe database of this folder lies there. PostgreSQL does not run as root, and the account it runs as\n` +
      `(${account?.name}) cannot enter ${dataDir}.\nTo begin with an empty database, stop Pressebud and delete that folder and this note.\n`,
    { mode: 0o644 },
  )
  return place
}

/** A fresh folder for a cluster that lives no longer than its launcher. */
export async function makeThrowAwayPlace(account: ServerAccount): Promise<string> {
  const base = mayEnter(account, tmpdir()) ? tmpdir() : '/tmp'
  const place = await mkdtemp(join(base, throwAwayPrefix))
  await chmod(place, 0o711)
  return place
}

async function makeDataDir(dataDir: string): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true })
  // Whatever the umask, the account must be able to pass through a folder that is ours to decide on.
  if (made !== undefined && process.getuid?.() === 0) await chmod(dataDir, 0o711)
}

function placeInNote(dataDir: string): string | null {
  const path = join(dataDir, noteName)
  try {
    // Only a note of our own, or of the root we run as, may say where to look.
    if (!lstatSync(path).isFile()) return null
    return readFileSync(path, 'utf8').split('\n')[0]?.trim() || null
  } catch {
    return null
  }
}

/** The name is random: a second checkout at the same path must never meet the first one's database. */
async function makePlaceElsewhere(dataDir: string, account: ServerAccount): Promise<string> {
  const shelf = '/var/lib/pressebud'
  if ((await makeOwnedFolder(shelf)) && mayEnter(account, shelf)) {
    const place = await mkdtemp(join(shelf, `${basename(dirname(dataDir)).replace(/[^\w.-]/g, '_') || 'root'}-`))
    await chmod(place, 0o711)
    return place
  }
  throw new LaunchError(
    `PostgreSQL runs as ${account?.name}, who can enter neither ${dataDir} nor ${shelf}: open one of them, or set DATABASE_URL.`,
  )
}
