import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mutation } from './mutation.ts'
import { type MutationName, mutations } from './mutations.ts'
import { type ChaosResult, type ChaosWishes, runChaos } from './run.ts'
import { isGreen, redCounters } from './verdict.ts'

export type Caught = {
  readonly mutation: MutationName
  readonly isCaught: boolean
  readonly detail: string
}

/**
 * Runs a copy of the compiled programs with one thing in it broken, under the faults that should bring it to light.
 * `isControlled`: and one with nothing broken, which must stay green under the same faults, or the red was theirs.
 */
export async function provoke(name: MutationName, wishes: ChaosWishes, isControlled: boolean): Promise<Caught> {
  const mutation: Mutation = mutations[name]
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-mutant-'))
  const run = (entries: string) =>
    runChaos({
      ...wishes,
      entries,
      faults: mutation.faults,
      recipients: mutation.recipients ?? 2_000,
      queues: mutation.queues ?? wishes.queues,
      kills: mutation.kills,
      seed: mutation.seed ?? wishes.seed,
    })
  try {
    const broken = await run(breakCopy(wishes.entries, folder, mutation))
    rmSync(broken.folder, { recursive: true, force: true })
    const control = isControlled ? await run(wishes.entries) : null
    const isCaught = mutation.red.some((counter) => redCounters(broken).includes(counter))
    return {
      mutation: name,
      isCaught: isCaught && (control === null || isGreen(control)),
      detail: `${figuresOf(broken)}${control ? `; with nothing broken ${figuresOf(control)}` : ''}`,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function figuresOf(result: ChaosResult): string {
  const figures = redCounters(result).map((counter) => `${counter} ${result[counter]}`)
  return `${figures.join(', ') || 'everything green'} (${result.seconds} s)`
}

function breakCopy(entries: string, folder: string, mutation: Mutation): string {
  const copy = join(folder, 'dist')
  cpSync(entries, copy, { recursive: true })
  cpSync(join(entries, '../package.json'), join(folder, 'package.json'))
  symlinkSync(join(entries, '../node_modules'), join(folder, 'node_modules'))
  for (const [file, text] of breakFiles(entries, mutation)) writeFileSync(join(copy, file), text)
  return copy
}

/** The compiled files that a mutation touches → how they then read. Throws where one does not find its place. */
export function breakFiles(entries: string, { patches }: Mutation): Map<string, string> {
  const broken = new Map<string, string>()
  for (const { file, within, find, put } of patches) {
    const text = broken.get(file) ?? readFileSync(join(entries, file), 'utf8')
    const [start, end] = spanOf(text, within)
    const span = text.slice(start, end)
    const found = span.split(find).length - 1
    if (found !== 1) throw new Error(`the mutation of ${file} finds its place ${found} times, not once: ${find}`)
    broken.set(file, text.slice(0, start) + span.replace(find, () => put) + text.slice(end))
  }
  return broken
}

/** From the named function to the next exported one; without a name, the whole file. */
function spanOf(text: string, within: string | undefined): [number, number] {
  if (within === undefined) return [0, text.length]
  const start = text.indexOf(`function ${within}(`)
  if (start === -1) throw new Error(`there is no function ${within}`)
  const next = text.indexOf('\nexport ', start)
  return [start, next === -1 ? text.length : next]
}
