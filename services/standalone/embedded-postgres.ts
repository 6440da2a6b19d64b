import { rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../shared/log/log.ts'
import { openPool } from '../../shared/postgres/pool.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { LaunchError } from './launch-error.ts'
import { chooseServerAccount, type ServerAccount } from './postgres-account.ts'
import { findPackagedPostgres, reachBinaries } from './postgres-binaries.ts'
import { keepPassword, prepareCluster, superuser } from './postgres-cluster.ts'
import { stopEarlierServer } from './postgres-pid-file.ts'
import { choosePlace, findDataFolder, makeThrowAwayPlace } from './postgres-place.ts'
import { type PostgresServer, startServer } from './postgres-server.ts'
import { sweepThrowAways } from './throw-away-sweep.ts'

export type EmbeddedPostgresOptions = {
  /** Absolute. The database is `<dataDir>/postgres`, kept between starts. */
  readonly dataDir: string
  readonly log: Log
  /** Told, in a sentence, of what the person at the terminal should know. */
  readonly say?: (line: string) => void
  /** For tests: a fresh cluster in the temporary folder, without fsync, gone after `stop`. */
  readonly throwAway?: boolean
}

export type EmbeddedPostgres = {
  /** Of the database `pressebud`. */
  readonly url: string
  /** Settles when the server is gone, asked to or not. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

/**
 * Runs a PostgreSQL of our own, as root and as an ordinary user. What the person can put right is thrown as a
 * `LaunchError` whose message is one sentence.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options)
  } catch (error) {
    throw inOneSentence(error, options.dataDir)
  }
}

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, throwAway = false, say = () => {} } = options
  const packaged = findPackagedPostgres()
  const account = chooseServerAccount(throwAway ? null : findDataFolder(dataDir))
  const place = throwAway ? await makeThrowAwayPlace(account) : await choosePlace(dataDir, account)
  const lock = await lockFolder(join(place, 'postgres.lock'))
  try {
    if (throwAway) await sweepThrowAways(log)
    const binaries = await reachBinaries({ log }, packaged, account, dataDir)
    const password = await keepPassword(throwAway ? place : dataDir, place)
    await stopEarlierServer(join(place, 'postgres'), password)
    const dataFolder = await prepareCluster({ place, binaries, account, throwAway, say }, password)
    const logFile = join(place, 'postgres.log')
    const server = await startServer({ dataFolder, logFile, binaries, account, throwAway })
    return await openDoors(options, { account, lock, password, place, logFile, server })
  } catch (error) {
    await lock.release()
    if (throwAway) await rm(place, { recursive: true, force: true })
    throw error
  }
}

type Running = {
  readonly account: ServerAccount
  readonly lock: FolderLock
  readonly password: string
  readonly place: string
  readonly logFile: string
  readonly server: PostgresServer
}

async function openDoors(options: EmbeddedPostgresOptions, running: Running): Promise<EmbeddedPostgres> {
  const { log, throwAway = false, say = () => {} } = options
  const { lock, password, place, logFile, server } = running
  const url = (database: string) => `postgres://${superuser}:${password}@127.0.0.1:${server.port}/${database}`
  let stopping: Promise<void> | undefined
  try {
    await createDatabase(url('postgres'))
  } catch (error) {
    await server.stop()
    throw error
  }
  log.info({ port: server.port, place, account: running.account?.name }, 'PostgreSQL is running')
  void server.exited.then(() => {
    if (stopping !== undefined) return
    log.error({ place }, 'PostgreSQL ended by itself')
    say(`PostgreSQL ended by itself; its last words are in ${logFile}.`)
  })
  const stop = async () => {
    await server.stop()
    await lock.release()
    if (throwAway) rmSync(place, { recursive: true, force: true })
  }
  return {
    url: url('pressebud'),
    exited: server.exited,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

async function createDatabase(url: string): Promise<void> {
  const pool = openPool({ url, name: 'pressebud-launcher', most: 1, onError: () => {} })
  try {
    const { rowCount } = await pool.query(`select from pg_database where datname = 'pressebud'`)
    if (rowCount === 0) await pool.query('create database pressebud')
  } finally {
    await pool.end()
  }
}

/** A folder that is somebody else's, read-only or full is the person's to put right; everything else is a bug. */
function inOneSentence(error: unknown, dataDir: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined || !['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR'].includes(code)) return error
  return new LaunchError(
    `The database in ${dataDir} cannot be used (${message}): start as the user who owns that folder, or set DATABASE_URL.`,
    { cause: error },
  )
}
