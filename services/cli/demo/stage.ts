import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { settingTable } from '../../../shared/config/settings.ts'
import type { CliDeps } from '../cli-deps.ts'
import { Mistake } from '../mistake.ts'
import { findSurroundings, type Standalone, type Surroundings } from '../surroundings.ts'
import { plain } from '../terminal.ts'

/** Where the story is played: a standalone that runs already, or one of its own, gone afterwards. */
export type Stage = {
  readonly surroundings: Surroundings
  readonly standalone: Standalone
  readonly own: boolean
  close(): Promise<void>
}

export async function findStage({ surroundings }: CliDeps): Promise<Stage> {
  const { standalone } = surroundings
  if (standalone && (await answers(standalone))) return { surroundings, standalone, own: false, close: async () => {} }
  return startStage(surroundings)
}

const answers = async ({ api, inbox }: Standalone): Promise<boolean> => {
  const ask = (url: string) => fetch(url, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok)
  return Promise.all([ask(`${api}/livez`), ask(`${inbox}/api/letters`)]).then(
    (both) => both.every(Boolean),
    () => false,
  )
}

async function startStage({ environment }: Surroundings): Promise<Stage> {
  const program = join(import.meta.dirname, '..', '..', 'standalone', 'main.js')
  if (!existsSync(program))
    throw new Mistake('Nothing is running here, and nothing is built to start.', [
      'Run `npm run build`, or `npm start`.',
    ])
  const dataDir = mkdtempSync(join(tmpdir(), 'pressebud-demo-'))
  const env = await stageEnvironment(environment, dataDir)
  // With an IPC channel it stops when this process is gone, however that comes about.
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const said: string[] = []
  child.stderr?.on('data', (text: Buffer) => void said.push(text.toString('utf8')))
  const close = async () => {
    await stopped(child)
    rmSync(dataDir, { recursive: true, force: true })
  }
  const leave = () => void close().finally(() => process.exit(130))
  process.once('SIGINT', leave).once('SIGTERM', leave)
  const forget = () => void process.off('SIGINT', leave).off('SIGTERM', leave)
  try {
    const own = await whenUp(child, env, said)
    return { ...own, own: true, close: () => own.surroundings.close().then(close).finally(forget) }
  } catch (error) {
    await close()
    forget()
    throw error
  }
}

async function whenUp(child: ChildProcess, env: NodeJS.ProcessEnv, said: readonly string[]) {
  const deadline = performance.now() + startWithin
  while (performance.now() < deadline && child.exitCode === null) {
    await pause(200)
    const surroundings = findSurroundings(env)
    const { standalone } = surroundings
    if (standalone && (await answers(standalone))) return { surroundings, standalone }
  }
  // Its last words, not where in the code they were said.
  const words = said
    .join('')
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at /.test(line))
  throw new Mistake('Pressebud could not be started for the demo.', words.slice(-5).map(plain))
}

// A cold start takes a few seconds, most of them initdb; ten times that on a busy machine.
const startWithin = 60_000

/** This terminal's environment without any setting of ours: one of them could lead the demo out of its own house. */
async function stageEnvironment(environment: Surroundings['environment'], dataDir: string): Promise<NodeJS.ProcessEnv> {
  const others = Object.entries(environment).filter(([name]) => !(name in settingTable))
  const [api, ops] = [await freePort(), await freePort()]
  return { ...Object.fromEntries(others), DATA_DIR: dataDir, PORT: String(api), OPS_PORT: String(ops) }
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

const stopped = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
