import { type Logger, pino } from 'pino'

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child'>

/** One log a process, JSON lines on standard output: ids, counts, outcome, duration; never an address, token or body. */
export function openLog(name: string, level: string): Logger {
  const options = {
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors of a mail host or a database driver carry what was being sent: keep only what tells the fault.
    serializers: {
      err: (error: unknown) =>
        error instanceof Error
          ? { type: error.name, message: error.message, code: (error as { code?: unknown }).code, stack: error.stack }
          : { message: String(error) },
    },
  }
  // Written at once: what pino keeps back for later it would write for ever at exit once nobody reads the output any
  // more, and a process whose launcher was killed would never end.
  return pino(options, pino.destination({ dest: 1, sync: true }))
}
