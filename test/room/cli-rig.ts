import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll } from 'vitest'
import { runCommand } from '../../services/cli/program.ts'
import { findSurroundings } from '../../services/cli/surroundings.ts'
import { paintOf } from '../../services/cli/terminal.ts'

export type Typed = { readonly env?: Record<string, string>; readonly input?: string; readonly now?: Date }
export type Shown = { readonly exit: number; readonly out: string; readonly err: string; readonly json: () => unknown }

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-cli-'))
  folders.push(folder)
  return folder
}

/** Runs one command as main.ts would, in a terminal nobody watches, and gives back what it wrote and how it ended. */
export async function type(
  args: readonly string[],
  { env = {}, input = '', now = new Date() }: Typed = {},
): Promise<Shown> {
  const shown = { out: '', err: '' }
  const surroundings = findSurroundings({ DATA_DIR: emptyFolder(), ...env })
  const terminal = {
    out: (text: string) => {
      shown.out += text
    },
    err: (text: string) => {
      shown.err += text
    },
    input: Readable.from(input === '' ? [] : [input]),
    columns: 100,
    watched: false,
    paint: paintOf(false),
  }
  const exit = await runCommand({ terminal, surroundings, now: () => now }, args)
  await surroundings.close()
  return { ...shown, exit, json: () => JSON.parse(shown.out) }
}
