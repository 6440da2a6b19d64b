import { type ChildProcess, spawn } from 'node:child_process'
import { entry } from './entries.ts'
import { endProgram, freePort } from './programs.ts'
import { until } from './until.ts'

export type Launched = {
  readonly child: ChildProcess
  /** What the person at the terminal has read so far. */
  readonly shown: () => string
  /** What its banner names. */
  readonly newsroom: string
  readonly inbox: string
  readonly ops: string
  readonly opsPassword: string
  readonly docs: string
}

/** A started launcher, whether or not it comes as far as its banner. */
export type Launching = { readonly child: ChildProcess; readonly shown: () => string; ended(): Promise<number | null> }

/** Ports to wish for, so that a Pressebud somebody is using on this machine is in nobody's way. */
export async function otherPorts(): Promise<{ PORT: string; OPS_PORT: string }> {
  return { PORT: String(await freePort()), OPS_PORT: String(await freePort()) }
}

/** `npm start`, as a terminal would run it. */
export function launch(dataDir: string, settings: Record<string, string>): Launching {
  const child = spawn(process.execPath, ['--enable-source-maps', entry('services/standalone/main.js')], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: dataDir, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let shown = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
  return {
    child,
    shown: () => shown,
    ended: async () => {
      await until('the launcher has ended', () => child.exitCode !== null || child.signalCode !== null, 60)
      return child.exitCode
    },
  }
}

/** The same, waited for until its banner is there. */
export async function launched(dataDir: string, settings: Record<string, string>): Promise<Launched> {
  const { child, shown } = launch(dataDir, settings)
  await until(
    'the banner is shown',
    () => {
      if (child.exitCode !== null) throw new Error(`The launcher ended with ${child.exitCode}:\n${shown()}`)
      return shown().includes('Ctrl-C stops everything.')
    },
    60,
  )
  const row = (name: string) => new RegExp(`^ +${name} +(\\S+)(?: +(.*))?$`, 'm').exec(shown())!
  return {
    child,
    shown,
    newsroom: row('Newsroom')[1]!,
    inbox: row('Inbox')[1]!,
    ops: row("Operators' desk")[1]!,
    opsPassword: row("Operators' desk")[2]!.replace('password: ', ''),
    docs: row('API docs')[1]!,
  }
}

export const endLauncher = ({ child }: { child: ChildProcess }) => endProgram(child, 'SIGINT')
