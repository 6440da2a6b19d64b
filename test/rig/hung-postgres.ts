import { pino } from 'pino'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../services/standalone/embedded-postgres.ts'
import { migrate } from '../../shared/postgres/migrate.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { descendantsOf, parentOf } from './process-usage.ts'

/** A PostgreSQL of a test file's own, which can hear and say nothing for a while; on Linux. */
export type HungPostgres = {
  readonly server: EmbeddedPostgres
  /** For asking behind everybody's back, while it does not hang. */
  readonly pool: Pool
  hang(): void
  goOn(): void
  close(): Promise<void>
}

export async function openHungPostgres(): Promise<HungPostgres> {
  const log = pino({ level: 'silent' })
  const server = await startEmbeddedPostgres({ dataDir: '', log, throwAway: true })
  await migrate(server.url, log)
  const pool = openPool({ url: server.url, name: 'rig', most: 2, onError: () => {} })
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  const postmaster = parentOf(rows[0]!.pid)
  let stopped: number[] = []

  const goOn = () => {
    for (const pid of stopped.splice(0).reverse()) tell(pid, 'SIGCONT')
  }
  return {
    server,
    pool,
    hang: () => {
      // The one that makes new ones first.
      tell(postmaster, 'SIGSTOP')
      stopped = [postmaster, ...descendantsOf(postmaster)]
      for (const pid of stopped) tell(pid, 'SIGSTOP')
    },
    goOn,
    close: async () => {
      goOn()
      await pool.end()
      await server.stop()
    },
  }
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}
