import { type Logger, pino } from 'pino'

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child'>

/** One log a process, JSON lines on standard output: ids, counts, outcome, duration; never an address, token or body. */
export function openLog(name: string, level: string): Logger {
  return pino({
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
  })
}
