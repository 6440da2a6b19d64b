import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { LaunchError } from './launch-error.ts'

/** Who the database server runs as; null: as whoever started us. */
export type ServerAccount = { readonly name: string; readonly uid: number; readonly gid: number } | null

/**
 * PostgreSQL refuses to run as root. Root lends it the owner of data that is already there, else `postgres`, else
 * `nobody`; no account is ever made on the host.
 */
export function chooseServerAccount(dataFolder: string | null): ServerAccount {
  if (process.getuid?.() !== 0) return null
  const owner = dataFolder === null ? null : ownerOf(dataFolder)
  if (owner !== null && owner.uid !== 0) return owner
  const account = findAccount('postgres') ?? findAccount('nobody')
  if (account === null) {
    throw new LaunchError(
      'PostgreSQL does not run as root, and this host has neither a postgres nor a nobody account: start as an ordinary user, or set DATABASE_URL.',
    )
  }
  return account
}

/** What `spawn` needs to run something as the account, from a folder that everyone may stand in. */
export function asAccount(account: ServerAccount): {
  cwd: string
  env?: NodeJS.ProcessEnv
  uid?: number
  gid?: number
} {
  // PGPORT, PGDATA or a locale that is not installed must not reach the server.
  const clean = process.platform === 'win32' ? {} : { cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } }
  return { cwd: '.', ...clean, ...(account === null ? {} : { uid: account.uid, gid: account.gid }) }
}

/** Whether the account may pass through the folder: asked of the kernel, because modes alone do not tell. */
export function mayEnter(account: ServerAccount, folder: string): boolean {
  if (account === null) return true
  return (
    spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { ...asAccount(account), stdio: 'ignore' }).status === 0
  )
}

function ownerOf(folder: string): NonNullable<ServerAccount> | null {
  try {
    const { uid, gid } = statSync(folder)
    return { name: `uid ${uid}`, uid, gid }
  } catch {
    return null
  }
}

function findAccount(name: string): NonNullable<ServerAccount> | null {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? null : { name, uid: Number(uid), gid: Number(gid) }
}
