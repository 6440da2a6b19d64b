import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findRunningProcess } from '../../services/standalone/running-process.ts'
import { openTestDatabase } from '../rig/database.ts'
import { entry } from '../rig/entries.ts'
import { descendantsOf } from '../rig/process-usage.ts'
import { endProgram } from '../rig/programs.ts'
import { endLauncher, type Launched, launch, launched, otherPorts } from '../rig/standalone.ts'
import { until } from '../rig/until.ts'

/** The processes a launcher runs, each with when it began: numbers are used again. */
const familyOf = ({ child }: Launched) =>
  descendantsOf(child.pid!).flatMap((pid) => {
    const running = findRunningProcess(pid)
    return running ? [{ pid, ...running }] : []
  })
type Family = ReturnType<typeof familyOf>

const alive = (family: Family) => family.filter(({ pid, began }) => findRunningProcess(pid)?.began === began)
const isMain = ({ command }: { command: string }) => /\/(?:services|workers)\/.*main\.js/.test(command)
/** Those, and what the workers start beside them. */
const isOurs = (one: { command: string }) => isMain(one) || one.command.endsWith('/shared/letter/mjml-process.mjs')
const commands = (family: Family) => family.map(({ command }) => command)

describe.skipIf(process.platform !== 'linux')('npm start', () => {
  let dataDir: string
  let ports: { PORT: string; OPS_PORT: string }
  let running: Launched

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'pressebud-standalone-'))
    ports = await otherPorts()
    running = await launched(dataDir, ports)
  })
  afterAll(async () => {
    if (running) await endLauncher(running)
    rmSync(dataDir, { recursive: true, force: true })
  })

  test('shows a newcomer where everything is, and everything is there', async () => {
    expect(running.shown()).toContain('Pressebud is running.')
    expect(running.newsroom).toContain(`:${ports.PORT}/`)
    expect(running.ops).toContain(`:${ports.OPS_PORT}/`)
    const statuses = []
    for (const address of [running.newsroom, running.inbox, running.ops, running.docs])
      statuses.push((await fetch(address, { headers: { accept: 'text/html' } })).status)
    // The desk asks who is there.
    expect(statuses).toEqual([200, 200, 401, 200])
    expect(running.opsPassword.length).toBeGreaterThanOrEqual(12)
    expect(familyOf(running).filter(isMain)).toHaveLength(4)
    for (const secret of ['secret-key', 'standalone.json']) expect(statSync(join(dataDir, secret)).mode & 0o077).toBe(0)
    expect(readdirSync(join(dataDir, 'logs')).sort()).toEqual(['api.log', 'inbox.log', 'ops.log', 'workers.log'])
  })

  test('a second one in the same folder says so in one line and changes nothing', async () => {
    const second = launch(dataDir, await otherPorts())
    expect(await second.ended()).toBe(1)
    expect(second.shown().trim().split('\n')).toEqual([
      expect.stringMatching(/^Pressebud is already running here: process \d+/),
    ])
    expect((await fetch(running.newsroom)).status).toBe(200)
    expect(existsSync(join(dataDir, 'standalone.json'))).toBe(true)
  })

  test('one with a database of its own starts no server, and takes the next ports where these are busy', async () => {
    const database = await openTestDatabase()
    const elsewhere = mkdtempSync(join(tmpdir(), 'pressebud-standalone-'))
    // Empty is not set, here as in every process.
    const empty = Object.fromEntries(
      ['SECRET_KEY', 'OPS_PASSWORD', 'PUBLIC_URL', 'SMTP_URL', 'MAIL_DOMAIN', 'FILES_DIR', 'JOURNAL_DIR'].map(
        (name) => [name, ''],
      ),
    )
    const other = await launched(elsewhere, { ...empty, ...ports, DATABASE_URL: database.url })
    expect(other.shown()).toMatch(new RegExp(`Port ${ports.PORT} is busy; PORT takes \\d+\\.`))
    expect(other.shown()).toMatch(new RegExp(`Port ${ports.OPS_PORT} is busy; OPS_PORT takes \\d+\\.`))
    expect(other.newsroom).not.toContain(`:${ports.PORT}/`)
    expect((await fetch(other.newsroom)).status).toBe(200)
    expect(familyOf(other).filter((one) => !isOurs(one))).toEqual([])
    expect(readdirSync(elsewhere).filter((name) => name.startsWith('postgres'))).toEqual([])
    await endLauncher(other)
    expect(other.child.exitCode).toBe(0)
    await database.close()
    rmSync(elsewhere, { recursive: true, force: true })
  })

  test('the demo plays a reader’s whole life in what is running, and all of it is true', async () => {
    const demo = promisify(execFile)(process.execPath, [entry('services/cli/main.js'), 'demo'], {
      env: { PATH: process.env.PATH, DATA_DIR: dataDir },
    })
    const { stdout } = await demo
    expect(demo.child.exitCode).toBe(0)
    expect(stdout).toContain('Every reader got each release once, and nobody was written to after leaving.')
  })

  test('killed, it takes everything of ours with it, and the next start finds all as it was', async () => {
    const family = familyOf(running)
    await endProgram(running.child, 'SIGKILL')
    await until('its processes have ended by themselves', () => alive(family.filter(isOurs)).length === 0)
    const secret = readFileSync(join(dataDir, 'secret-key'), 'utf8')

    running = await launched(dataDir, ports)
    expect((await fetch(running.newsroom)).status).toBe(200)
    expect(readFileSync(join(dataDir, 'secret-key'), 'utf8')).toBe(secret)
    expect(commands(alive(family))).toEqual([])
  })

  test('a PostgreSQL that ends by itself is told of, and everything ends with it', async () => {
    const family = familyOf(running)
    const isServer = ({ command }: { command: string }) => /postgres.* -D /.test(command)
    const [server] = family.filter(isServer)
    process.kill(server!.pid, 'SIGKILL')
    await until('the launcher has ended', () => running.child.exitCode !== null, 60)
    expect(running.child.exitCode).toBe(1)
    expect(running.shown()).toMatch(/PostgreSQL ended by itself; its last words are in \S+postgres\.log\./)
    expect(running.shown()).toContain('Nothing goes on without PostgreSQL: start again.')
    expect(running.shown()).not.toMatch(/^\s+at .*:\d+/m)
    expect(commands(alive(family.filter(isOurs)))).toEqual([])
    running = await launched(dataDir, ports)
    expect((await fetch(running.newsroom)).status).toBe(200)
  })

  test('a folder that cannot be made is told of in a sentence', async () => {
    const launching = launch('/dev/null/pressebud', await otherPorts())
    expect(await launching.ended()).toBe(1)
    expect(launching.shown().trim()).toMatch(
      /^DATA_DIR cannot be made \(.*\): set it to a folder in which you may write\.$/,
    )
  })

  test('Ctrl-C stops everything in order and leaves no process behind', async () => {
    const family = familyOf(running)
    expect(family.length).toBeGreaterThan(5)
    await endLauncher(running)
    expect(running.child.exitCode).toBe(0)
    expect(running.shown()).toMatch(/Stopped\.\s*$/)
    await until('no process is left', () => alive(family).length === 0, 5)
    expect(existsSync(join(dataDir, 'standalone.json'))).toBe(false)
    const inbox = await fetch(running.inbox).catch(() => 'nobody answers')
    expect(inbox).toBe('nobody answers')
  })
})
