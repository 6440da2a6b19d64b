import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LaunchError } from './launch-error.ts'
import { asAccount, type ServerAccount } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'

export const superuser = 'pressebud'

export type ClusterOptions = {
  readonly place: string
  readonly binaries: PostgresBinaries
  readonly account: ServerAccount
  readonly throwAway: boolean
  readonly say: (line: string) => void
}

/** The password of this folder's database: made once, readable by its owner alone. */
export async function keepPassword(dataDir: string, place: string): Promise<string> {
  const path = join(dataDir, 'postgres-password')
  const folder = join(place, 'postgres')
  // A full disk leaves a file without its text.
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    if (isWhole(folder)) {
      throw new LaunchError(
        `${path} is missing or empty, and nothing else opens the database in ${folder}: bring the file back, or move the folder away to begin with an empty database.`,
      )
    }
    await writeFile(path, randomBytes(24).toString('base64url'), { mode: 0o600 })
  }
  return (await readFile(path, 'utf8')).trim()
}

/**
 * The data folder, made if need be. It is made beside its place and moved there when whole, so a half-made one is
 * known by its name; one that came half-made from elsewhere is set aside, not deleted.
 */
export async function prepareCluster(options: ClusterOptions, password: string): Promise<string> {
  const { place, say } = options
  const folder = join(place, 'postgres')
  for (const name of readdirSync(place)) {
    // A maker that outlived its launcher may still be writing into its own.
    if (name.startsWith('postgres.making-'))
      await rm(join(place, name), { recursive: true, force: true, maxRetries: 5 })
  }
  if (existsSync(folder)) {
    if (isWhole(folder)) {
      checkMajor(folder, options.binaries.major)
      return folder
    }
    if (readdirSync(folder).length === 0) await rm(folder, { recursive: true })
    else {
      const aside = `${folder}.unfinished-${Date.now()}`
      await rename(folder, aside)
      say(`The database folder was only half made; it is set aside as ${aside}, and a new one is made.`)
    }
  }
  await makeCluster(options, folder, password)
  return folder
}

function isWhole(folder: string): boolean {
  return ['PG_VERSION', join('global', 'pg_control'), 'pg_hba.conf'].every(
    (name) => (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > 0,
  )
}

function checkMajor(folder: string, major: string): void {
  const made = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim()
  if (made === major) return
  throw new LaunchError(
    `The database in ${folder} was made by PostgreSQL ${made}, and this is PostgreSQL ${major}: dump it with version ${made} and load it again, or move the folder away to begin with an empty database.`,
  )
}

async function makeCluster(options: ClusterOptions, folder: string, password: string): Promise<void> {
  const { account, binaries, place, throwAway } = options
  const draft = join(place, `postgres.making-${randomBytes(4).toString('hex')}`)
  const passwordFile = `${draft}.password`
  await mkdir(draft, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
  if (account !== null) {
    await chown(draft, account.uid, account.gid)
    await chown(passwordFile, account.uid, account.gid)
  }
  try {
    await runInitdb(join(binaries.folder, 'bin', 'initdb'), account, [
      ...['-D', draft, '-U', superuser, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8'],
      // The built-in provider sorts alike on every host, and unlike the C locale alone it knows that Ä has a small ä.
      ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
      ...(throwAway ? ['--no-sync'] : []),
    ])
    await rename(draft, folder)
  } finally {
    await rm(passwordFile, { force: true })
    await rm(draft, { recursive: true, force: true })
  }
}

function runInitdb(program: string, account: ServerAccount, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...asAccount(account), stdio: ['ignore', 'ignore', 'pipe'] })
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text
    })
    child.on('error', (cause) => reject(new LaunchError(`The database cannot be made: ${cause.message}.`, { cause })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      const why =
        complaint.split('\n').find((line) => /error|fatal/i.test(line)) ?? `initdb ended with ${code ?? signal}`
      reject(new LaunchError(`The database cannot be made: ${why.replace(/^initdb: /, '')}.`))
    })
  })
}
