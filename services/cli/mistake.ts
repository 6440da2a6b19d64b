import { CommanderError } from 'commander'
import { SettingsFault } from '../../shared/config/read-settings.ts'

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
  const code = codeOf(error)
  const known = code === undefined ? undefined : databaseFaults[code]
  if (known) return new Mistake(...known)
  return new Mistake(`Something went wrong: ${error instanceof Error ? error.message : String(error)}`)
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

// A name that resolves to two addresses fails as an AggregateError, whose own message is empty.
function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}

const silent = [
  'The database does not answer.',
  ['If `npm start` runs it, it runs only as long as that does; otherwise check the host and port in DATABASE_URL.'],
] as const

const databaseFaults: Record<string, readonly [string, readonly string[]]> = {
  ECONNREFUSED: silent,
  ECONNRESET: silent,
  ETIMEDOUT: silent,
  EHOSTUNREACH: silent,
  ENOTFOUND: ['The host in DATABASE_URL is not known.', ['Check its spelling.']],
  '28P01': ['The database does not accept the user or password in DATABASE_URL.', []],
  '28000': ['The database does not let this user in.', []],
  '3D000': ['The server has no database by the name in DATABASE_URL.', []],
  '42P01': ['The database has no tables yet.', ['Start Pressebud against it once: that makes them.']],
  '57P03': ['The database is starting or stopping.', ['Try again in a moment.']],
}
