import type { Log } from '../log/log.ts'
import { within } from '../within.ts'
import { HeededClient } from './heeded-client.ts'
import { keepAlive } from './pool.ts'

export type ListenPlan = {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  /** `listen` and the channel: PostgreSQL takes no parameter there. */
  readonly statement: string
  readonly log: Log
  hear(payload: string): void
}

/** How long after a broken connection the next one is tried, in milliseconds. */
const restAfterBreak = 1_000
/** Milliseconds. What is asked of it is to listen, once. */
const longestAnswer = 10_000
/** Milliseconds; a server that lives hangs up in some, and one that hangs never does. */
const longestGoodbye = 2_000

/**
 * Hears what is notified on a channel, over a connection of its own that is opened again whenever it breaks. What was
 * said meanwhile is lost, and behind a pooler that shares connections nothing is heard at all: only for what merely
 * comes sooner by being heard.
 */
export function openListener({ url, name, statement, log, hear }: ListenPlan): { close(): Promise<void> } {
  let client: HeededClient | null = null
  let again: NodeJS.Timeout | undefined
  let isClosed = false

  async function open(): Promise<void> {
    const opened = new HeededClient({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: 5_000,
      query_timeout: longestAnswer,
      ...keepAlive,
    })
    client = opened
    opened.on('notification', ({ payload = '' }) => hear(payload))
    opened.once('end', () => {
      if (isClosed) return
      again = setTimeout(() => void open(), restAfterBreak)
    })
    try {
      await opened.connect()
      await opened.query(statement)
    } catch (err) {
      log.debug({ err, statement }, 'cannot listen; trying again')
      await opened.end().catch(() => undefined)
    }
  }

  void open()
  return {
    async close() {
      isClosed = true
      clearTimeout(again)
      const goodbye = client?.end().catch(() => undefined)
      if (goodbye) await within(longestGoodbye, goodbye, undefined)
    },
  }
}
