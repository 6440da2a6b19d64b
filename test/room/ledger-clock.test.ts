import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { type LedgerClock, openLedgerClock } from '../../shared/postgres/ledger-clock.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { until } from '../rig/until.ts'

const log = pino({ level: 'silent' })
const anHour = 3_600_000
const realNow = Date.now

let database: TestDatabase
let clock: LedgerClock | null = null
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
afterEach(() => {
  clock?.close()
  clock = null
  vi.restoreAllMocks()
})

/** From now on the clock on this machine's wall is off by so much. */
const setWallClock = (milliseconds: number) => vi.spyOn(Date, 'now').mockImplementation(() => realNow() + milliseconds)

/** A PostgreSQL whose clock is off by `hours.off`, and that counts how often it was asked. */
function postgresOfItsOwnTime(hours: { off: number; isAway?: boolean; slowBy?: number }): {
  db: Db
  asked: () => number
} {
  let asked = 0
  const query = async (statement: { text: string }) => {
    asked += 1
    if (hours.isAway) throw new Error('away')
    const { rows } = await database.pool.query<{ hour: number }>(statement.text)
    if (hours.slowBy) await new Promise((resolve) => setTimeout(resolve, hours.slowBy))
    return { rows: rows.map(({ hour }) => ({ hour: hour + hours.off })) }
  }
  return { db: { query } as unknown as Db, asked: () => asked }
}

const offFrom = (milliseconds: number) => clock!.now().getTime() - (realNow() + milliseconds)

test('it is PostgreSQL’s hour that counts, however wrong the clock of the machine is', async () => {
  for (const off of [-anHour, 600_000]) {
    setWallClock(off)
    clock = await openLedgerClock(database.pool, log)
    const { rows } = await database.pool.query<{ hour: number }>(
      'select extract(epoch from clock_timestamp())::float8 * 1000 as hour',
    )
    const behind = rows[0]!.hour - clock.now().getTime()
    expect(Math.abs(behind)).toBeLessThan(5_000)
    clock.close()
  }
})

test('it is never ahead of PostgreSQL, also where the answer was long on its way', async () => {
  const { db } = postgresOfItsOwnTime({ off: 0, slowBy: 300 })
  clock = await openLedgerClock(db, log)
  expect(offFrom(0)).toBeLessThanOrEqual(0)
})

test('a clock of the machine that is set anew moves nothing, and PostgreSQL is asked again', async () => {
  const hours = { off: 0 }
  const { db, asked } = postgresOfItsOwnTime(hours)
  clock = await openLedgerClock(db, log)
  expect(asked()).toBe(1)
  setWallClock(-anHour)
  expect(Math.abs(offFrom(0))).toBeLessThan(5_000)
  await until('it has asked', () => asked() === 2)
  expect(Math.abs(offFrom(0))).toBeLessThan(5_000)
  // Not again and again: the wall is as far from the other clock as it was when we asked.
  clock.now()
  expect(asked()).toBe(2)
})

test('where PostgreSQL’s own clock is set, or the machine has slept, it follows at the next question', async () => {
  const hours = { off: 0 }
  const { db, asked } = postgresOfItsOwnTime(hours)
  clock = await openLedgerClock(db, log)
  hours.off = 8 * anHour
  expect(Math.abs(offFrom(0))).toBeLessThan(5_000)
  setWallClock(8 * anHour)
  clock.now()
  await until('it has asked', () => asked() === 2)
  await until('it has followed', () => Math.abs(offFrom(8 * anHour)) < 5_000)
})

test('with PostgreSQL away it goes on from what it knows, and asks again soon', async () => {
  const hours = { off: anHour, isAway: false }
  const { db, asked } = postgresOfItsOwnTime(hours)
  clock = await openLedgerClock(db, log)
  hours.isAway = true
  setWallClock(-anHour)
  clock.now()
  await until('it has asked in vain', () => asked() === 2)
  expect(Math.abs(offFrom(anHour))).toBeLessThan(5_000)
  hours.isAway = false
  await until('it asks by itself', () => asked() === 3)
  expect(Math.abs(offFrom(anHour))).toBeLessThan(5_000)
})
