import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'

export type MjmlCompiler = {
  /** The HTML that MJML makes of a source; rejects with its words where it finds fault. */
  compile(source: string): Promise<string>
}

/**
 * MJML in a process of its own: with all it brings along it takes some 45 MB, and is needed for a moment in each mailing.
 * The process is started when it is first needed, answers one source after another, and is let go after a rest. One that
 * ends in the middle, or does not answer in time, fails the source in its hands alone; the next gets a new process.
 */
export function openMjmlCompiler(): MjmlCompiler {
  let child: ChildProcess | null = null
  let resting: NodeJS.Timeout | undefined
  let turn: Promise<unknown> = Promise.resolve()

  const forget = (ended: ChildProcess) => {
    if (child === ended) child = null
  }
  const running = () => {
    clearTimeout(resting)
    if (child !== null) return child
    const started = startProcess()
    started.once('exit', () => forget(started))
    started.once('disconnect', () => forget(started))
    started.on('error', () => forget(started))
    child = started
    return started
  }
  const rest = (idle: ChildProcess) => {
    clearTimeout(resting)
    resting = setTimeout(() => idle.connected && idle.disconnect(), restAfter).unref()
  }
  const inTurn = async (source: string) => {
    const asked = running()
    try {
      return await answerOf(asked, source)
    } catch (error) {
      // Whether it has ended or only never answered, nothing more is asked of it.
      if (error instanceof ProcessFault) {
        forget(asked)
        asked.kill('SIGKILL')
      }
      throw error
    } finally {
      rest(asked)
    }
  }
  return {
    compile: (source) => {
      const answer = turn.then(() => inTurn(source))
      turn = answer.catch(() => {})
      return answer
    },
  }
}

/** A mailing's languages, and mailings close together, find it running; then its memory is worth more. Milliseconds. */
const restAfter = 45_000

/** Its start and the largest letter take a second on a busy machine. Milliseconds. */
const patience = 30_000

class ProcessFault extends Error {}

/** With no settings of ours in its environment, and none of our files and connections open. */
function startProcess(): ChildProcess {
  const started = fork(join(import.meta.dirname, 'mjml-process.mjs'), {
    env: {},
    // MJML looks for a configuration in its working directory: here is none.
    cwd: import.meta.dirname,
    execArgv: ['--max-semi-space-size=4', '--max-old-space-size=192'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  // It never keeps us from ending by itself: see the timer below.
  started.unref()
  started.channel?.unref()
  return started
}

type Answer = { readonly html: string } | { readonly fault: string }

function answerOf(child: ChildProcess, source: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const over = (act: () => void) => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      act()
    }
    const fail = (what: string) => over(() => reject(new ProcessFault(`The process that compiles letters ${what}`)))
    const onMessage = (told: object) => {
      const answer = told as Answer
      over(() => ('html' in answer ? resolve(answer.html) : reject(new Error(answer.fault))))
    }
    const onExit = (code: number | null, signal: string | null) => fail(`ended before it answered (${signal ?? code})`)
    const onError = (error: Error) => fail(`cannot be used: ${error.message}`)
    // While it runs, we do: a letter in its hands is waited for, whatever else there is to do.
    const timer = setTimeout(() => fail(`did not answer within ${patience / 1000} s, and was ended`), patience)
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
    child.send(source, (error) => error && onError(error))
  })
}
