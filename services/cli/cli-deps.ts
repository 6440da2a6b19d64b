import type { Surroundings } from './surroundings.ts'
import type { Terminal } from './terminal.ts'

export type CliDeps = {
  readonly terminal: Terminal
  readonly surroundings: Surroundings
  readonly now: () => Date
}
