import type { Log } from '../log/log.ts'
import type { Db } from './pool.ts'

export type LedgerClock = { readonly now: () => Date; close(): void }

/** Milliseconds from one question to the next; after one that was not answered in time, sooner. */
const askEvery = 30_000
const askAgain = 1_000
/** An answer that was longer on its way tells too little. */
const longestTrip = 1_000
/** By how much this machine's clock may part from the one that never jumps before we ask: it was set, or the machine slept. */
const jump = 1_000

/**
 * The hour as PostgreSQL has it. It is the one clock that all processes of an installation share: a machine's own may be
 * minutes off or be set while we run, and what one process writes (an embargo's hour, when a notice is due, when a link
 * was made) another compares with its own. Asked now and then and carried on in between by the clock that never jumps,
 * it is behind PostgreSQL's by as little as an answer takes on its way, and not ahead of it.
 *
 * Until the first answer it is this machine's clock: who cannot reach PostgreSQL has nothing to show anyhow.
 */
export async function openLedgerClock(db: Db, log: Log): Promise<LedgerClock> {
  let told = { hour: Date.now(), at: performance.now() }
  let isFirst = true
  let apart = apartNow()
  let isAsking = false
  let isClosed = false
  let timer: NodeJS.Timeout | undefined

  const hourNow = () => told.hour + performance.now() - told.at

  async function ask(): Promise<void> {
    clearTimeout(timer)
    isAsking = true
    apart = apartNow()
    const isAnswered = await askOnce().catch((err) => {
      log.debug({ err }, 'PostgreSQL was asked for the hour in vain')
      return false
    })
    isAsking = false
    if (!isClosed) timer = setTimeout(ask, isAnswered ? askEvery : askAgain).unref()
  }

  async function askOnce(): Promise<boolean> {
    const askedAt = performance.now()
    const hour = await tellHour(db)
    const at = performance.now()
    const trip = at - askedAt
    if (trip > longestTrip && !isFirst) return false
    // What we have is as good where it lies within what the answer leaves open; going back a millisecond helps nobody.
    const isStillRight = !isFirst && hourNow() >= hour && hourNow() <= hour + trip
    if (!isStillRight) told = { hour, at }
    isFirst = false
    return true
  }

  await ask()
  return {
    now: () => {
      if (!isAsking && Math.abs(apartNow() - apart) > jump) void ask()
      return new Date(hourNow())
    },
    close: () => {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

const apartNow = () => Date.now() - performance.now()

async function tellHour(db: Db): Promise<number> {
  const { rows } = await db.query<{ hour: number }>({
    name: 'hour',
    text: 'select extract(epoch from clock_timestamp())::float8 * 1000 as hour',
  })
  return rows[0]!.hour
}
