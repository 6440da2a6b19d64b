/**
 * Whether an error says that PostgreSQL cannot be asked, or cannot be written to: it is nobody's mistake, it passes, and
 * whoever asked should come again. What is wrong with a statement is a fault of ours, and none of these.
 */
export function isDatabaseAway(error: unknown): boolean {
  const { code, syscall, message } = (error ?? {}) as { code?: unknown; syscall?: unknown; message?: unknown }
  if (typeof code !== 'string') return typeof message === 'string' && saidWithoutCode.has(message)
  return states.test(code) || ways.test(code) || (code === 'ENOENT' && syscall === 'connect')
}

/**
 * SQLSTATE, from PostgreSQL's appendix A: a connection that failed (08), an account or a database that does not let us in
 * (28, 3D000), a server that may only be read, as one is after a failover (25006), that has ended an idle transaction
 * (25P03), is out of memory, disk or connections (53), is being stopped, started or told to give up a statement (57), or
 * cannot use its disk (58).
 */
const states = /^(?:08|28|53|57|58)...$|^(?:25006|25P03|3D000)$/

/** Whether a statement was given up because somebody else keeps what it has to lock: it has done nothing. */
export const isKeptByAnother = (error: unknown): boolean =>
  ((error ?? {}) as { code?: unknown }).code === lockNotAvailable

const lockNotAvailable = '55P03'

/** Whether a statement took longer than it may, as it does that waits for a lock: the next one may do. */
export const isStatementGivenUp = (error: unknown): boolean =>
  ((error ?? {}) as { code?: unknown }).code === queryCanceled

const queryCanceled = '57014'

/** What Node.js says of a socket or a name. A unix socket that is not there is an ENOENT, as a file would be. */
const ways =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_\w+|E(?:HOST|NET)(?:UNREACH|DOWN)|EADDRNOTAVAIL)$/

/** What pg says in words alone. */
const saidWithoutCode: ReadonlySet<string> = new Set([
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
])
