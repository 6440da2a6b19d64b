import { type Logger, pino } from 'pino'
import { openOutput } from './output.ts'

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
  const warning = pino.levels.values.warn
  const tellLost = (lost: number) =>
    `${JSON.stringify({ level: warning, time: new Date().toISOString(), name, lost, msg: 'lines of this log could not be written' })}\n`
  return pino(options, openOutput(tellLost))
}
