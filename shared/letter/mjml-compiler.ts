import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'

export type MjmlCompiler = {
  /** The HTML that MJML makes of a source; rejects with its words where it finds fault. */
  compile(source: string): Promise<string>
}

/** The process that compiles letters ended, or did not answer in time. */
export class MjmlProcessFault extends Error {
  /** It made another letter when this one would not come: the source is at fault, and not our machine. */
  readonly isOfSource: boolean

  constructor(message: string, isOfSource = false) {
    super(message)
    this.isOfSource = isOfSource
  }
}

/**
 * MJML in a process of its own: with all it brings along it takes some 45 MB, and is needed for a moment in each mailing.
 * The process is started when it is first needed, answers one source after another, and is let go after a rest. One that
 * ends in the middle, or does not answer in time, fails the source in its hands alone; the next gets a new process. Who
 * stands behind a source that takes long does not wait for its end: they get a new process, too.
 */
export function openMjmlCompiler(): MjmlCompiler {
  let child: ChildProcess | null = null
  let busy: ChildProcess | null = null
  let resting: NodeJS.Timeout | undefined
  let turn: Promise<unknown> = Promise.resolve()

  const forget = (ended: ChildProcess) => {
    if (child === ended) child = null
  }
  const running = () => {
    clearTimeout(resting)
    if (child !== null && child !== busy) return child
    const started = startProcess()
    started.once('exit', () => forget(started))
    started.once('disconnect', () => forget(started))
    started.on('error', () => forget(started))
    child = started
    return started
  }
  const rest = (idle: ChildProcess) => {
    const letGo = () => idle.connected && idle.disconnect()
    // Another has taken its place while it was at something long.
    if (idle !== child) return void letGo()
    clearTimeout(resting)
    resting = setTimeout(letGo, restAfter).unref()
  }
  const ask = async (source: string, time: number) => {
    const asked = running()
    busy = asked
    try {
      return await answerOf(asked, source, time)
    } catch (error) {
      // Whether it has ended or only never answered, nothing more is asked of it.
      if (error instanceof MjmlProcessFault) {
        forget(asked)
        asked.kill('SIGKILL')
      }
      throw error
    } finally {
      if (busy === asked) busy = null
      rest(asked)
    }
  }
  const inTurn = (source: string, time: number) => {
    const answer = turn.then(() => ask(source, time))
    turn = turn.then(() => answeredOrSlow(answer))
    return answer
  }
  return {
    compile: async (source) => {
      try {
        return await inTurn(source, patience)
      } catch (error) {
        if (!(error instanceof Silence)) throw error
        const makesOthers = await inTurn(plainest, patienceForPlainest).then(
          () => true,
          () => false,
        )
        throw new MjmlProcessFault(error.message, makesOthers)
      }
    },
  }
}

/** What MJML makes in a moment wherever it makes anything. */
const plainest = '<mjml><mj-body></mj-body></mjml>'

/** A mailing's languages, and mailings close together, find it running; then its memory is worth more. Milliseconds. */
const restAfter = 45_000

/** Its start and the largest letter take a second on a busy machine. Milliseconds. */
const patience = 30_000
const patienceForPlainest = 10_000

/** So long others wait for the one before them. Milliseconds. */
const ordinary = 3_000

class Silence extends MjmlProcessFault {}

/** Resolves when the answer is there, whichever, or when it has taken longer than most. */
async function answeredOrSlow(answer: Promise<string>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const slow = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ordinary)
  })
  const over = answer.then(
    () => {},
    () => {},
  )
  await Promise.race([over, slow])
  clearTimeout(timer)
}

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

function answerOf(child: ChildProcess, source: string, time: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const over = (act: () => void) => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      act()
    }
    const who = 'The process that compiles letters'
    const fail = (what: string) => over(() => reject(new MjmlProcessFault(`${who} ${what}`)))
    const silent = () => over(() => reject(new Silence(`${who} did not answer within ${time / 1000} s, and was ended`)))
    const onMessage = (told: object) => {
      const answer = told as Answer
      over(() => ('html' in answer ? resolve(answer.html) : reject(new Error(answer.fault))))
    }
    const onExit = (code: number | null, signal: string | null) => fail(`ended before it answered (${signal ?? code})`)
    const onError = (error: Error) => fail(`cannot be used: ${error.message}`)
    // While it runs, we do: a letter in its hands is waited for, whatever else there is to do.
    const timer = setTimeout(silent, time)
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
    child.send(source, (error) => error && onError(error))
  })
}
