import { isDatabaseAway } from './database-away.ts'

/** Why a database cannot be used, for whoever started something at a terminal. */
export type DatabaseFault = {
  readonly sentence: string
  /** What to do about it; `null`: the sentence says it. */
  readonly hint: string | null
  /** Nothing answered at all. */
  readonly isSilent: boolean
}

/** `null`: it is another fault, and perhaps ours. */
export function tellDatabaseFault(error: unknown): DatabaseFault | null {
  const code = codeOf(error) ?? ''
  if (silentCodes.has(code))
    return {
      sentence: 'The database does not answer.',
      hint: 'Check the host and port in DATABASE_URL.',
      isSilent: true,
    }
  const known = faults[code]
  if (known !== undefined) return { sentence: known[0], hint: known[1], isSilent: false }
  if (!isDatabaseAway(error)) return null
  return { sentence: `The database cannot be used (${(error as Error).message}).`, hint: null, isSilent: false }
}

// A name that resolves to two addresses fails as an AggregateError, whose own message is empty.
function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}

const silentCodes: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH'])

const faults: Record<string, readonly [string, string | null]> = {
  ENOTFOUND: ['The host in DATABASE_URL is not known.', 'Check its spelling.'],
  '28P01': ['The database does not accept the user or password in DATABASE_URL.', null],
  '28000': ['The database does not let this user in.', null],
  '3D000': ['The server has no database by the name in DATABASE_URL.', null],
  '42P01': ['The database has no tables yet.', 'Start Pressebud against it once: that makes them.'],
  '57P03': ['The database is starting or stopping.', 'Try again in a moment.'],
}
