import { type ChildProcess, fork, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findRunningProcess } from '../../services/standalone/running-process.ts'
import { entry } from '../rig/entries.ts'
import { until } from '../rig/until.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pressebud-lifecycle-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let scripts = 0
/** A process of our kind: `start` and `stop` are what it does then, and it says so in its log. */
function script(start: string, stop: string, grace = 5_000): string {
  const from = (path: string) => JSON.stringify(pathToFileURL(entry(path)).href)
  scripts += 1
  const path = join(folder, `process-${scripts}.mjs`)
  writeFileSync(
    path,
    `import { writeFileSync } from 'node:fs'
     import { runProcess } from ${from('shared/lifecycle/run-process.js')}
     import { openLog } from ${from('shared/log/log.js')}
     const log = openLog('process', 'info')
     await runProcess({ name: 'process', log, grace: ${grace}, start: async (stopping) => {
       const working = setInterval(() => {}, 1_000)
       ${start}
       return async () => {
         log.info('closing the doors')
         clearInterval(working)
         ${stop}
       }
     } })`,
  )
  return path
}

type Run = { readonly child: ChildProcess; readonly said: () => string[]; readonly isReady: () => boolean }

function run(path: string): Run {
  const child = fork(path, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let out = ''
  let ready = false
  child.on('message', () => {
    ready = true
  })
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
  const messageOf = (line: string) => (line.startsWith('{') ? (JSON.parse(line) as { msg: string }).msg : line)
  return { child, said: () => out.trim().split('\n').map(messageOf), isReady: () => ready }
}

const ended = async ({ child }: Run) => {
  await until('it has ended', () => child.exitCode !== null || child.signalCode !== null)
  return child.exitCode ?? child.signalCode
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s closes everything, once, and the process ends in order',
  async (signal) => {
    const process = run(script('', 'await new Promise((resolve) => setTimeout(resolve, 50))'))
    await until('it is ready', process.isReady)
    process.child.kill(signal)
    expect(await ended(process)).toBe(0)
    expect(process.said()).toEqual(['process is stopping', 'closing the doors', 'process has stopped'])
  },
)

test('a signal that comes while it is still starting closes what was opened', async () => {
  const process = run(script(`log.info('opening'); await new Promise((resolve) => setTimeout(resolve, 200))`, ''))
  await until('it is opening', () => process.said().includes('opening'))
  process.child.kill('SIGTERM')
  expect(await ended(process)).toBe(0)
  expect(process.said()).toEqual(['opening', 'process is stopping', 'closing the doors', 'process has stopped'])
})

test('a fault nobody caught is logged, and ends the process through the same door', async () => {
  const process = run(script(`setTimeout(() => { throw new Error('the unforeseen') }, 20)`, ''))
  expect(await ended(process)).toBe(1)
  expect(process.said()).toEqual(['process stops on a fault', 'closing the doors', 'process has stopped'])
})

test('what cannot start says so and ends', async () => {
  const process = run(script(`throw new Error('no database')`, ''))
  expect(await ended(process)).toBe(1)
  expect(process.said()).toEqual(['process could not start'])
})

test('a stop that never comes to its end is cut short', async () => {
  const process = run(script('', 'await new Promise(() => setInterval(() => {}, 1_000))', 100))
  await until('it is ready', process.isReady)
  process.child.kill('SIGTERM')
  expect(await ended(process)).not.toBe(0)
})

test('a launcher that is killed leaves nothing running, though nobody reads the last words', async () => {
  const note = join(folder, 'stopped')
  const path = script('', `writeFileSync(${JSON.stringify(note)}, 'in order')`)
  const launcher = join(folder, 'launcher.mjs')
  writeFileSync(
    launcher,
    `import { fork } from 'node:child_process'
     const child = fork(${JSON.stringify(path)}, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
     child.on('message', () => console.log(child.pid))`,
  )
  const child = spawn(process.execPath, [launcher], { stdio: ['ignore', 'pipe', 'inherit'] })
  let told = ''
  child.stdout.on('data', (text: Buffer) => {
    told += text.toString()
  })
  const pid = Number(await until('the child is ready', () => told.trim()))
  const running = findRunningProcess(pid)!
  child.kill('SIGKILL')
  try {
    await until('it has ended', () => findRunningProcess(pid)?.began !== running.began)
  } finally {
    if (findRunningProcess(pid)?.began === running.began) process.kill(pid, 'SIGKILL')
  }
  expect(readFileSync(note, 'utf8')).toBe('in order')
})

test.each(['services/api/main.js', 'services/ops/main.js', 'workers/main.js'])(
  '%s without its settings names each that is missing, on a line of its own, and does nothing',
  async (path) => {
    const child = spawn(process.execPath, [entry(path)], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
    let told = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        told += text.toString()
      })
    await until('it has ended', () => child.exitCode !== null)
    expect(child.exitCode).toBe(2)
    expect(told).toMatch(/^.*DATABASE_URL.*$/m)
    expect(told).toMatch(/^.*SECRET_KEY|OPS_PASSWORD.*$/m)
    expect(told).not.toMatch(/^\s+at /m)
  },
)

test('told to stop before it has come to its start, it ends in order and at once', async () => {
  const waiting = script(
    `log.info('waiting'); await (await import('node:timers/promises')).setTimeout(60_000, undefined, { signal: stopping })`,
    '',
  )
  const process = run(waiting)
  await until('it waits', () => process.said().includes('waiting'))
  process.child.kill('SIGTERM')
  await ended(process)
  expect(process.child.exitCode).toBe(0)
  expect(process.said()).toEqual(['waiting', 'process is stopping', 'process has stopped'])
})
