import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../services/standalone/embedded-postgres.ts'
import { lockFolder } from '../../services/standalone/folder-lock.ts'
import { chooseServerAccount } from '../../services/standalone/postgres-account.ts'
import { findPackagedPostgres, reachBinaries } from '../../services/standalone/postgres-binaries.ts'
import { recreateLinks } from '../../services/standalone/postgres-links.ts'
import { readPidFile } from '../../services/standalone/postgres-pid-file.ts'
import { findRunningProcess } from '../../services/standalone/running-process.ts'
import { openPool } from '../../shared/postgres/pool.ts'

const log = pino({ level: 'silent' })
const isRoot = process.getuid?.() === 0
const running: EmbeddedPostgres[] = []
let model = ''
let home = ''
let dataDir = ''

// Making a database costs more than all else there is to see here: what is not about its making begins with a copy.
beforeAll(async () => {
  model = await mkdtemp(join(tmpdir(), 'pressebud-test-'))
  await chmod(model, 0o755)
  await (await startEmbeddedPostgres({ dataDir: join(model, '.data'), log })).stop()
})

afterAll(() => rm(model, { recursive: true, force: true }))

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'pressebud-test-'))
  await chmod(home, 0o755)
  dataDir = join(home, '.data')
})

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  await rm(home, { recursive: true, force: true })
})

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log, ...options })
  running.push(server)
  return server
}

/** The folder of somebody who has started Pressebud before: owners, which Node.js does not copy, are the same. */
function givenDatabase(): void {
  if (process.platform === 'win32') cpSync(join(model, '.data'), dataDir, { recursive: true })
  else execFileSync('cp', ['-a', join(model, '.data'), dataDir])
}

async function ask<Row>(url: string, statement: string): Promise<Row[]> {
  const pool = openPool({ url, name: 'test', most: 1, onError: () => {} })
  try {
    return (await pool.query(statement)).rows as Row[]
  } finally {
    await pool.end()
  }
}

describe('the database that comes along', { timeout: 60_000 }, () => {
  test('it keeps what was written between starts, and knows that Ä has a small ä', async () => {
    const first = await start()
    expect(await ask(first.url, `select lower('ÄØŠ') as lower, current_database() as name`)).toEqual([
      { lower: 'äøš', name: 'pressebud' },
    ])
    await ask(first.url, `create table kept as select 'a release' as title`)
    await first.stop()
    expect(readPidFile(join(dataDir, 'postgres'))).toBeNull()

    const second = await start()
    expect(await ask(second.url, 'select title from kept')).toEqual([{ title: 'a release' }])
  })

  test('it listens on loopback alone, without a socket file, and only the password opens it', async () => {
    const server = await start()
    const settings = await ask<{ name: string; setting: string }>(
      server.url,
      `select name, setting from pg_settings
        where name in ('listen_addresses', 'unix_socket_directories', 'password_encryption', 'fsync') order by name`,
    )
    expect(settings.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
      'fsync=on',
      'listen_addresses=127.0.0.1',
      'password_encryption=scram-sha-256',
      'unix_socket_directories=',
    ])
    await expect(ask(server.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(/password/)
    expect(statSync(join(dataDir, 'postgres-password')).mode & 0o777).toBe(0o600)
    expect(statSync(join(dataDir, 'postgres')).mode & 0o077).toBe(0)
  })

  test('a second start on the same folder is told in one line who holds it, and the first runs on', async () => {
    givenDatabase()
    const first = await start()
    const refused = await start().catch((error: Error) => error)
    expect(refused).toMatchObject({ name: 'LaunchError' })
    expect((refused as Error).message).toMatch(new RegExp(`process ${process.pid} holds`))
    expect((refused as Error).message).not.toContain('\n')
    expect(await ask(first.url, 'select 1 as alive')).toEqual([{ alive: 1 }])
  })

  test('of many starts at once on one folder exactly one gets it, also over the lock of a launcher that died', async () => {
    await mkdir(dataDir)
    const lock = join(dataDir, 'postgres.lock')
    await writeFile(lock, JSON.stringify({ pid: process.pid, began: 'long ago', nonce: '' }))
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(lock)))
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(readdirSync(dataDir)).toEqual(['postgres.lock'])
  })

  test('a server that outlived its launcher is stopped, and the next start serves the same rows', async () => {
    givenDatabase()
    const first = await start()
    await ask(first.url, `create table kept as select 1 as one`)
    const orphan = readPidFile(join(dataDir, 'postgres'))
    // As after SIGKILL: nobody stopped the server, and the lock names a launcher that is gone.
    await writeFile(join(dataDir, 'postgres.lock'), JSON.stringify({ pid: process.pid, began: 'earlier', nonce: '' }))
    const second = await start()
    await first.exited
    expect(findRunningProcess(orphan?.pid ?? 0)).toBeNull()
    expect(await ask(second.url, 'select one from kept')).toEqual([{ one: 1 }])
  })

  test('a pid file whose number went to another process harms neither that process nor the start', async () => {
    givenDatabase()
    const bystander: ChildProcess = spawn('sleep', ['60'])
    onTestFinished(() => void bystander.kill())
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
    await writeFile(
      pidFile,
      `${bystander.pid}\n${join(dataDir, 'postgres')}\n1700000000\n1\n\n127.0.0.1\n1 1\nready   \n`,
    )
    if (isRoot) await chown(pidFile, statSync(join(dataDir, 'postgres')).uid, 0)
    const second = await start()
    expect(await ask(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(findRunningProcess(bystander.pid ?? 0)).not.toBeNull()
  })

  test('a making that was killed half-way is done again', async () => {
    await mkdir(join(dataDir, 'postgres.making-0badcafe', 'base'), { recursive: true })
    // Whatever the umask: what the server's account cannot reach is kept elsewhere.
    await chmod(dataDir, 0o755)
    await mkdir(join(dataDir, 'postgres', 'base'), { recursive: true })
    await writeFile(join(dataDir, 'postgres', 'base', 'something'), 'of theirs')
    const said: string[] = []
    const server = await start({ say: (line) => said.push(line) })
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(said).toEqual([expect.stringMatching(/only half made; it is set aside/)])
    const left = readdirSync(dataDir).filter((name) => name.startsWith('postgres.'))
    expect(left.filter((name) => name.startsWith('postgres.making'))).toEqual([])
    const aside = left.find((name) => name.startsWith('postgres.unfinished-'))
    expect(readFileSync(join(dataDir, aside ?? '', 'base', 'something'), 'utf8')).toBe('of theirs')
  })

  test('data of another major version is left alone, and named in one sentence', async () => {
    givenDatabase()
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '15\n')
    await expect(start()).rejects.toThrow(/was made by PostgreSQL 15, and this is PostgreSQL \d+/)
    expect(existsSync(join(dataDir, 'postgres', 'base'))).toBe(true)
    expect(existsSync(join(dataDir, 'postgres.lock'))).toBe(false)
  })

  test('a lost password is a sentence, not an emptied database', async () => {
    givenDatabase()
    rmSync(join(dataDir, 'postgres-password'))
    await expect(start()).rejects.toThrow(/postgres-password is missing or empty/)
    // As a full disk leaves it.
    await writeFile(join(dataDir, 'postgres-password'), '')
    await expect(start()).rejects.toThrow(/postgres-password is missing or empty/)
    expect(existsSync(join(dataDir, 'postgres', 'PG_VERSION'))).toBe(true)
  })

  test('a machine PostgreSQL does not come along for is told about DATABASE_URL', () => {
    expect(() => findPackagedPostgres('plan9-mips')).toThrow(/plan9-mips.*DATABASE_URL/)
  })

  test('the end of a server nobody stopped is told', async () => {
    givenDatabase()
    const server = await start()
    process.kill(readPidFile(join(dataDir, 'postgres'))?.pid ?? 0, 'SIGQUIT')
    await server.exited
  })

  test('a throw-away database leaves nothing behind, and clears away that of a run that was killed', async () => {
    // Others make such folders beside these meanwhile.
    const placeOf = async ({ url }: { url: string }) => {
      const [shown] = await ask<{ data_directory: string }>(url, 'show data_directory')
      return dirname(shown!.data_directory)
    }
    const killed = await start({ throwAway: true })
    const place = await placeOf(killed)
    expect(place.startsWith(join(tmpdir(), 'pressebud-postgres-'))).toBe(true)
    await writeFile(join(place, 'postgres.lock'), JSON.stringify({ pid: process.pid, began: 'earlier', nonce: '' }))

    const next = await start({ throwAway: true })
    const itsPlace = await placeOf(next)
    await killed.exited
    expect(existsSync(place)).toBe(false)
    expect(await ask(next.url, 'show fsync')).toEqual([{ fsync: 'off' }])
    await next.stop()
    expect(existsSync(itsPlace)).toBe(false)
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
  })
})

describe('the binaries', { timeout: 60_000 }, () => {
  const packaged = findPackagedPostgres()
  let checkout = ''

  beforeEach(async () => {
    checkout = join(home, 'native')
    await cp(packaged.native, checkout, { recursive: true, verbatimSymlinks: true })
  })

  test.skipIf(process.platform === 'win32')(
    'links that npm was not allowed to make are made, and right ones left',
    async () => {
      const libraries = join(checkout, 'lib')
      for (const name of readdirSync(libraries)) {
        if (lstatSync(join(libraries, name)).isSymbolicLink()) rmSync(join(libraries, name))
      }
      expect(await recreateLinks(checkout)).toBe(true)
      expect(readlinkSync(join(libraries, 'libpq.so.5'))).toMatch(/^libpq\.so\.5\.\d+$/)
      const made = lstatSync(join(libraries, 'libpq.so.5')).ino
      expect(await recreateLinks(checkout)).toBe(true)
      expect(lstatSync(join(libraries, 'libpq.so.5')).ino).toBe(made)
    },
  )

  test.skipIf(!isRoot)('[root] where the account cannot enter, it runs a copy that only root can change', async () => {
    await chmod(home, 0o700)
    const cache = await mkdtemp(join(tmpdir(), 'pressebud-cache-test-'))
    onTestFinished(() => rmSync(cache, { recursive: true, force: true }))
    const account = chooseServerAccount(null)
    const reach = () => reachBinaries({ log }, { native: checkout, name: 'postgres-copy' }, account, dataDir, [cache])
    const { folder } = await reach()
    expect(folder).toBe(join(cache, 'postgres-copy'))
    const made = statSync(join(folder, 'bin', 'postgres')).ino
    expect((await reach()).folder).toBe(folder)
    expect(statSync(join(folder, 'bin', 'postgres')).ino).toBe(made)

    // Somebody else's folder under that name could hold anything.
    await chown(folder, account?.uid ?? 0, account?.gid ?? 0)
    await expect(reach()).rejects.toThrow(/cannot be run here/)
  })

  test.skipIf(!isRoot)(
    '[root] a data folder only root can enter leaves a note of where the database lies',
    async () => {
      await chmod(home, 0o700)
      const first = await start()
      const place = readFileSync(join(dataDir, 'postgres-is-elsewhere.txt'), 'utf8').split('\n')[0] ?? ''
      onTestFinished(() => rmSync(place, { recursive: true, force: true }))
      expect(place).toMatch(/^\/var\/lib\/pressebud\//)
      await ask(first.url, 'create table kept as select 1 as one')
      await first.stop()
      const second = await start()
      expect(await ask(second.url, 'select one from kept')).toEqual([{ one: 1 }])
      await second.stop()
      rmSync(place, { recursive: true })
      await expect(start()).rejects.toThrow(/that folder is gone/)
    },
  )
})
