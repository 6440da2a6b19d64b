import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LaunchError } from './launch-error.ts'

export type ChildPlan = {
  readonly name: string
  /** Absolute path of the compiled entry. */
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
  /** Whether this line of standard output says that it is ready; without it, the process tells by IPC. */
  readonly isReady?: (line: string) => boolean
}

export type ChildProcesses = {
  /** Starts a process and waits until it is ready; returns the line that said so. One that ends later is started again. */
  start(plan: ChildPlan): Promise<string>
  stop(name: string): Promise<void>
}

type Options = {
  readonly logFolder: string
  readonly say: (line: string) => void
  /** What every process inherits: PATH and the like, none of our settings. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** How long an orderly stop may take, in milliseconds: letters under way are finished. */
const patience = 35_000

/** Runs the processes of one machine: their logs to files, their warnings to the terminal, none left behind. */
export function openChildProcesses(options: Options): ChildProcesses {
  mkdirSync(options.logFolder, { recursive: true, mode: 0o700 })
  const running = new Map<string, { child: ChildProcess; ended: Promise<void> }>()
  const unwanted = new Set<string>()

  const start = (plan: ChildPlan, isRestart = false): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--enable-source-maps', plan.entry], {
        env: { ...options.environment, ...plan.env },
        // The channel tells us when it is ready, and tells it when we are gone: a killed launcher leaves nothing running.
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // Ctrl-C at the terminal is for the launcher, which stops the others in order.
        detached: true,
      })
      const log = openLogFile(join(options.logFolder, `${plan.name}.log`), isRestart ? 'a' : 'w', options.say)
      const lastWords: string[] = []
      let isReady = false
      const ready = (line: string) => {
        isReady = true
        resolve(line)
      }
      child.on('message', () => plan.isReady ?? ready(''))
      createInterface({ input: child.stdout! }).on('line', (line) => {
        log.write(`${line}\n`)
        if (plan.isReady?.(line)) ready(line)
        const warning = warningIn(line)
        if (warning && isReady) options.say(`${plan.name}: ${warning}`)
        if (warning) lastWords.push(warning)
      })
      createInterface({ input: child.stderr! }).on('line', (line) => {
        log.write(`${line}\n`)
        lastWords.push(line)
      })
      const ended = new Promise<void>((done) => {
        child.once('close', (code, signal) => {
          log.end()
          done()
          running.delete(plan.name)
          if (unwanted.delete(plan.name)) return
          if (!isReady && !isRestart)
            return reject(
              new LaunchError(
                `${plan.name} did not start: ${lastWords.slice(-3).join(' ') || `it ended with ${signal ?? code}`}`,
              ),
            )
          options.say(`${plan.name} ended (${signal ?? code}); starting it again.`)
          setTimeout(() => void start(plan, true), 1_000).unref()
        })
      })
      running.set(plan.name, { child, ended })
    })

  return {
    start: (plan) => start(plan),
    stop: async (name) => {
      const found = running.get(name)
      if (!found) return
      unwanted.add(name)
      found.child.kill('SIGTERM')
      const timer = setTimeout(() => found.child.kill('SIGKILL'), patience)
      await found.ended
      clearTimeout(timer)
    },
  }
}

/** Milliseconds after which a file that could not be written is tried again. */
const restAfterFault = 60_000

/** A file that takes lines until its disk is full, and again once there is room. */
function openLogFile(path: string, flags: 'a' | 'w', say: (line: string) => void) {
  let stream = open(flags)
  let brokenAt = 0
  function open(flags: 'a' | 'w') {
    return createWriteStream(path, { flags, mode: 0o600 }).on('error', ({ message }) => {
      brokenAt = performance.now()
      say(`${path} cannot be written: ${message}.`)
    })
  }
  return {
    write(line: string): void {
      if (stream.errored && performance.now() - brokenAt > restAfterFault) stream = open('a')
      if (!stream.errored) stream.write(line)
    },
    end: () => void (stream.errored ?? stream.end()),
  }
}

/** The message of a log line at level warn or above, else nothing. */
function warningIn(line: string): string | null {
  if (!line.startsWith('{')) return null
  try {
    const { level, msg, err } = JSON.parse(line) as { level?: number; msg?: string; err?: { message?: string } }
    return level !== undefined && level >= 40 ? [msg, err?.message].filter(Boolean).join(': ') : null
  } catch {
    return null
  }
}
