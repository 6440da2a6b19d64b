import { CommanderError } from 'commander'
import { SettingsFault } from '../../shared/config/read-settings.ts'
import { type DatabaseFault, tellDatabaseFault } from '../../shared/postgres/tell-database-fault.ts'

/** What the shell is told: done; refused or broken; asked wrongly. */
export const exitCodes = { done: 0, refused: 1, usage: 2 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Something the operator can put right: told in a sentence or two, never as a stack trace. */
export class Mistake extends Error {
  readonly exitCode: ExitCode
  /** What to do about it, a line each. */
  readonly hints: readonly string[]

  constructor(message: string, hints: readonly string[] = [], exitCode: ExitCode = exitCodes.refused) {
    super(message)
    this.name = 'Mistake'
    this.hints = hints
    this.exitCode = exitCode
  }
}

export const usageMistake = (message: string, ...hints: string[]) => new Mistake(message, hints, exitCodes.usage)

/** Whatever was thrown, as a mistake; `null` when it is only commander having shown what was asked for. */
export function mistakeOf(error: unknown): Mistake | null {
  if (error instanceof Mistake) return error
  if (error instanceof SettingsFault) return usageMistake(error.message)
  if (error instanceof CommanderError) return ofCommander(error)
  const fault = tellDatabaseFault(error)
  if (fault !== null) return ofDatabase(fault)
  return new Mistake(`Something went wrong: ${error instanceof Error ? error.message : String(error)}`)
}

function ofDatabase({ sentence, hint, isSilent }: DatabaseFault): Mistake {
  const hints = hint === null ? [] : [hint]
  return new Mistake(
    sentence,
    isSilent ? [...hints, 'If `npm start` runs it, it runs only as long as that does.'] : hints,
  )
}

const quietCodes = ['commander.helpDisplayed', 'commander.version']

function ofCommander(error: CommanderError): Mistake | null {
  if (quietCodes.includes(error.code)) return null
  // A group without a verb: commander has shown the group's help, and there is nothing to add to it.
  if (error.code === 'commander.help') return usageMistake('')
  return usageMistake(sentence(error.message.replace(/^error: /, '')))
}

function sentence(text: string): string {
  // Commander's second line is its suggestion (“(Did you mean list?)”).
  const [first = '', ...rest] = text.split('\n')
  const told = `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.?$/, '.')}`
  return [told, ...rest.map((line) => line.replace(/^\((.*)\)$/, '$1'))].join(' ')
}
