import closeWithGrace from 'close-with-grace'
import { SettingsFault } from '../config/read-settings.ts'
import type { Log } from '../log/log.ts'

export type Stop = () => Promise<void>

export type ProcessPlan = {
  readonly name: string
  readonly log: Log
  /** How long an orderly stop may take before the process ends regardless, in milliseconds. */
  readonly grace?: number
  /** Opens everything and returns what closes it again. `stopping`: told to stop meanwhile, it need not come to its end. */
  start(stopping: AbortSignal): Promise<Stop>
}

/**
 * Runs a process from start to orderly stop. SIGTERM, SIGINT and the end of a launcher that spawned it with an IPC
 * channel stop it alike, so that a killed launcher leaves nothing running. A fault nobody caught is logged and ends the
 * process through the same door.
 */
export async function runProcess(plan: ProcessPlan): Promise<void> {
  const { log } = plan
  // Set once the signals are listened to, so that one that comes in between is not missed.
  let started: Promise<Stop> | undefined
  const stopping = new AbortController()
  const grace = { delay: plan.grace ?? 30_000, onTimeout: () => log.warn(`${plan.name} ends with work under way`) }
  const listeners = closeWithGrace({ ...grace, logger: false }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, `${plan.name} stops on a fault`)
    else log.info({ signal: signal ?? 'close' }, `${plan.name} is stopping`)
    stopping.abort()
    const stop = await started?.catch(() => undefined)
    await stop?.()
    log.info(`${plan.name} has stopped`)
  })
  if (process.channel) {
    process.once('disconnect', () => listeners.close())
    // The channel is there to be cut, not to keep the process alive.
    process.channel.unref()
  }
  try {
    started = plan.start(stopping.signal)
    await started
    if (process.connected) process.send?.({ ready: plan.name })
  } catch (error) {
    if (stopping.signal.aborted) return
    log.fatal({ err: error }, `${plan.name} could not start`)
    process.exit(1)
  }
}

/** Runs `read` and, when settings are wrong, tells each on a line of its own and ends the process: no stack trace. */
export function orTellSettings<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SettingsFault)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(2)
  }
}
