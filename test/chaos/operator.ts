import { execFile } from 'node:child_process'
import { join } from 'node:path'

/** Whoever sits at the terminal: the commands are those of the documentation, each a process of its own. */
export type Operator = {
  /** Tries until it is answered. Whether it was done; false: by then the mailing was over. */
  act(what: OperatorAct, mailing: string): Promise<boolean>
}

export type OperatorAct = 'pause' | 'resume' | 'cancel' | 'settle'

/** @param env as an operator's shell has it: where the database is */
export function openOperator(entries: string, env: Readonly<Record<string, string>>): Operator {
  const command = join(entries, 'services/cli/main.js')

  const run = (what: OperatorAct, mailing: string) =>
    new Promise<{ readonly isDone: boolean; readonly words: string }>((resolve) => {
      execFile(process.execPath, [command, 'mailing', what, mailing, ...options[what]], { env }, (error, _, words) =>
        resolve({ isDone: error === null, words }),
      )
    })

  return {
    act: async (what, mailing) => {
      const deadline = performance.now() + longest
      for (;;) {
        const { isDone, words } = await run(what, mailing)
        // It was done by a try before, whose answer was lost.
        if (isDone || answers[what].test(words)) return true
        if (/is over already|sends nothing any more/.test(words)) return false
        if (performance.now() > deadline)
          throw new Error(`mailing ${mailing} could not be brought to ${what}: ${words}`)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    },
  }
}

/** Milliseconds: nothing that an operator's command needs is away for so long. */
const longest = 120_000

const options: Record<OperatorAct, readonly string[]> = {
  pause: [],
  resume: [],
  cancel: ['--yes'],
  settle: ['--as', 'again'],
}

const answers: Record<OperatorAct, RegExp> = {
  pause: /is paused already/,
  resume: /is not paused;/,
  cancel: /is over already \(cancelled\)/,
  // Asked once more it says that there are none, and that is no mistake.
  settle: /(?!)/,
}
