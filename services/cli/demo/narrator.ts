import { Mistake } from '../mistake.ts'
import { asJson, type Paint, plain, type Terminal } from '../terminal.ts'

/** Tells the story as it happens: steps, what was seen, and claims that either hold or end it. */
export type Narrator = {
  step(title: string): void
  tell(text: string): void
  /** Lines as they stood in a letter or a page. */
  quote(lines: readonly string[]): void
  check(claim: string, holds: boolean): void
  end(text: string): void
}

export function openNarrator(terminal: Terminal): Narrator {
  const { out, paint, columns } = terminal
  const width = Math.min(columns, 100)
  let n = 0
  return {
    step(title) {
      n += 1
      out(`\n${paint.accent(String(n).padStart(2))}  ${paint.bold(title)}\n`)
    },
    tell: (text) => out(`    ${text}\n`),
    quote: (lines) => out(lines.map((line) => quoted(paint, line, width)).join('')),
    check(claim, holds) {
      out(`    ${holds ? paint.good('✓') : paint.bad('✗')} ${claim}\n`)
      if (!holds) throw new Mistake(`This is not true: ${claim}`)
    },
    end: (text) => out(`\n${paint.bold(text)}\n`),
  }
}

const quoted = (paint: Paint, line: string, width: number) => {
  const room = width - 6
  const text = plain(line)
  return `    ${paint.dim('│')} ${text.length > room ? `${text.slice(0, room - 1)}…` : text}\n`
}

type Step = { step: string; told: string[]; checks: { claim: string; holds: boolean }[] }

/** The same story as one JSON value, written when it is over, whichever way it ends. */
export function recordStory(terminal: Terminal): Narrator & { write: () => void } {
  const steps: Step[] = []
  const last = () => steps.at(-1)!
  return {
    step: (step) => void steps.push({ step, told: [], checks: [] }),
    tell: (text) => void last().told.push(text),
    quote: (lines) => void last().told.push(...lines),
    check(claim, holds) {
      last().checks.push({ claim, holds })
      if (!holds) throw new Mistake(`This is not true: ${claim}`)
    },
    end() {},
    write: () => terminal.out(asJson({ steps })),
  }
}
