import type { ChildProcess } from 'node:child_process'
import { endProgram } from '../rig/programs.ts'
import { wallClock } from './journal.ts'

/** A process of the installation under a supervisor: whenever it ends, for whatever reason, it is started again. */
export type Part = {
  readonly name: string
  /** Whether it runs, and is neither ending nor frozen. */
  isUp(): boolean
  /** Ends it and waits until the next one is ready. One that does not end when it is told to has fallen, too. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** Stops it where it stands; the act returned lets it go on. */
  freeze(): () => void
  close(): Promise<void>
}

export type PartNews = {
  /** `from`: since when it was away, in milliseconds of the wall clock. */
  onBack(part: string, from: number): void
  /** What it had in hand is somebody else's from now on: it was killed, or stands still. */
  onLost(part: string): void
  /** It goes on this moment, having stood still since `from`. */
  onThaw(from: number): void
  /** It ended by itself, which no fault should make it do, or not in order when it was told to. */
  onFell(part: string, how: string): void
}

const restartAfter = 200
/** Milliseconds in which an orderly stop has an end: what is under way has thirty seconds. */
const longestStop = 40_000

export async function openPart(name: string, start: () => Promise<ChildProcess>, news: PartNews): Promise<Part> {
  let child: ChildProcess | null = null
  let isWanted = true
  /** By which it was told to end. */
  let ending: 'SIGKILL' | 'SIGTERM' | null = null
  let isFrozen = false
  let ready: Promise<void> = run()

  async function run(): Promise<void> {
    while (isWanted && child === null) {
      try {
        child = await start()
      } catch {
        // What it needs is away, too; a supervisor tries again.
        await new Promise((resolve) => setTimeout(resolve, restartAfter))
      }
    }
    child?.once('exit', (code, signal) => {
      child = null
      if (ending === null) news.onFell(name, `ended by itself, with ${signal ?? code}`)
      else if (ending === 'SIGTERM' && code !== 0) news.onFell(name, `was told to end, and did with ${signal ?? code}`)
      ending = null
      const since = wallClock()
      if (isWanted) ready = run().then(() => news.onBack(name, since))
    })
  }

  async function stop(running: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    ending = signal
    const impatience = setTimeout(() => {
      news.onFell(name, 'did not end when it was told to')
      running.kill('SIGKILL')
    }, longestStop)
    await endProgram(running, signal)
    clearTimeout(impatience)
  }

  await ready
  return {
    name,
    isUp: () => child !== null && ending === null && !isFrozen,
    end: async (signal) => {
      if (child === null) return ready
      if (signal === 'SIGKILL') news.onLost(name)
      await stop(child, signal)
      await ready
    },
    freeze: () => {
      isFrozen = true
      const since = wallClock()
      child?.kill('SIGSTOP')
      news.onLost(name)
      return () => {
        news.onThaw(since)
        child?.kill('SIGCONT')
        isFrozen = false
        news.onBack(name, since)
      }
    },
    close: async () => {
      isWanted = false
      await ready
      if (child !== null) await stop(child, 'SIGTERM')
    },
  }
}
