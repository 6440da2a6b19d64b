import pg from 'pg'
import { within } from '../within.ts'
import { HeededClient } from './heeded-client.ts'

/** Whatever answers a statement: the pool, or one connection inside a transaction. */
export type Db = Pick<pg.Pool, 'query'>
/** The pool itself, for what opens transactions. */
export type Pool = pg.Pool

export type PoolOptions = {
  readonly url: string
  /** Shown in pg_stat_activity, so that an operator sees who asks. */
  readonly name: string
  readonly most: number
  /**
   * Plan every statement by its keys. For the workers: their tables were empty a minute ago, so the planner knows
   * nothing of them, and a plan that scans one is always the wrong guess (20 ms per thousand letters instead of 2).
   * For the api: a search that reads its index instead of every text takes half the time even where all texts fit.
   */
  readonly byKey?: boolean
  /**
   * Milliseconds in which a statement is answered or given up, and half of them in which there is a connection. Of a
   * server that hangs, or a connection that fell silent, nothing else tells. Only what takes its time, and for which
   * nobody waits, goes without: it has 30 s.
   */
  readonly answersWithin?: number
  /** Told of connections that broke while idle; pg destroys them by itself. Others fail the statement they are asked for. */
  readonly onError: (error: Error) => void
}

/** An idle connection whose other end is not there any more is found out in twenty seconds: ten, and ten probes of one. */
export const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/** Opens a pool of the process. Statements give up after 30 s, or sooner, so that a hung server becomes an answer. */
export function openPool(options: PoolOptions): Pool {
  const { answersWithin } = options
  const pool = new pg.Pool({
    Client: HeededClient,
    connectionString: options.url,
    application_name: options.name,
    max: options.most,
    connectionTimeoutMillis: answersWithin === undefined ? 5_000 : answersWithin / 2,
    // The pool's own 10 s closes in each quiet moment what the next busy one must open again: a tenth of a second for
    // somebody at the door of a machine that is sending mail.
    idleTimeoutMillis: 300_000,
    // A server that lives gives up first, and its connection is still good; one that hangs is given up a little later.
    statement_timeout: answersWithin === undefined ? 30_000 : answersWithin * 0.875,
    query_timeout: answersWithin ?? 35_000,
    // What is left locked over a connection that fell silent is free again after so long; patient chores hold their turn
    // while they work.
    idle_in_transaction_session_timeout: answersWithin === undefined ? 30_000 : 10_000,
    ...keepAlive,
    ...(options.byKey ? { options: '-c enable_seqscan=off -c enable_mergejoin=off -c jit=off' } : {}),
  })
  // Without a listener a broken idle connection ends the process.
  pool.on('error', options.onError)
  return pool
}

/** Closes the pool; a server that hangs is told and not waited for. */
export async function closePool(pool: Pool): Promise<void> {
  await within(longestGoodbye, pool.end(), undefined)
}

/** Milliseconds; a server that lives hangs up in some. */
const longestGoodbye = 2_000
