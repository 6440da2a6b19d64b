import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forgetWholeBudgets, giveBack, shortOf, spend, spentShares } from '../../shared/budget/budget.sql.ts'
import type { Budget, Charge } from '../../shared/budget/budget.ts'
import { openPool } from '../../shared/postgres/pool.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'

const hashKey = Buffer.alloc(32, 7)
const five: Budget = { name: 'five-an-hour', quota: 5, span: 3_600 }
const one: Budget = { name: 'one-a-day', quota: 1, span: 86_400 }
const start = new Date('2026-11-26T12:00:00Z')
const later = (seconds: number) => new Date(start.getTime() + seconds * 1_000)

describe('a budget', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openTestDatabase()
  })
  afterAll(() => database.close())

  const ask = (charges: readonly Charge[], at = start) => spend(database.pool, hashKey, charges, at)
  const times = async (count: number, charge: Charge, at = start) => {
    const answers = await Promise.all(Array.from({ length: count }, () => ask([charge], at)))
    return answers.filter(({ granted }) => granted).length
  }

  test('grants its quota and no more, however many ask at the same instant', async () => {
    expect(await times(60, { budget: five, subject: 'crowd' })).toBe(5)
  })

  test('holds over two processes and a restart, because nothing is kept in either', async () => {
    const other = openPool({ url: database.url, name: 'another process', most: 4, onError: () => {} })
    const charge = { budget: five, subject: 'shared' }
    expect(await times(3, charge)).toBe(3)
    const there = await Promise.all(Array.from({ length: 9 }, () => spend(other, hashKey, [charge], start)))
    expect(there.filter(({ granted }) => granted)).toHaveLength(2)
    await other.end()
    expect((await ask([charge])).granted).toBe(false)
  })

  test('comes back one by one, and tells how long that takes', async () => {
    const charge = { budget: five, subject: 'patient' }
    await times(5, charge)
    expect(await ask([charge], later(1))).toEqual({ granted: false, short: [{ charge, wait: 719 }] })
    expect(await times(9, charge, later(720))).toBe(1)
    expect(await times(9, charge, later(720 + 3_600))).toBe(5)
  })

  test.each([3, 7, 13, 1_000_000])('a quota of %i fits into its span to the last one', async (quota) => {
    const budget = { name: `of ${quota}`, quota, span: 3_600 }
    await ask([{ budget, subject: 'x' }])
    // All but the last two, as if they had been spent: there are too many to ask one by one.
    const spent = ((quota - 2) * 3_600) / quota
    await database.pool.query('update budgets set whole_at = $2 where name = $1', [budget.name, later(spent)])
    expect(await times(5, { budget, subject: 'x' })).toBe(2)
  })

  test('refuses all when one of several is empty, and then spends from none', async () => {
    const [narrow, wide] = [
      { budget: one, subject: 'narrow' },
      { budget: five, subject: 'wide' },
    ]
    expect((await ask([wide, narrow])).granted).toBe(true)
    for (let again = 0; again < 20; again++)
      expect(await ask([wide, narrow])).toEqual({ granted: false, short: [{ charge: narrow, wait: 86_400 }] })
    expect(await times(20, wide)).toBe(4)
  })

  test('several asked for in another order by many at once neither deadlock nor overspend', async () => {
    const [a, b] = [
      { budget: five, subject: 'a' },
      { budget: five, subject: 'b' },
    ]
    const answers = await Promise.all(Array.from({ length: 60 }, (_, turn) => ask(turn % 2 ? [a, b] : [b, a])))
    expect(answers.filter(({ granted }) => granted)).toHaveLength(5)
  })

  test('tells when each turn comes, for those who are let in one at a time', async () => {
    const charge = { budget: five, subject: 'queue' }
    const turns: number[] = []
    for (let turn = 0; turn < 5; turn++) {
      const answer = await ask([charge])
      if (answer.granted) turns.push((answer.startsAt[0]!.getTime() - start.getTime()) / 1_000)
    }
    expect(turns).toEqual([0, 720, 1_440, 2_160, 2_880])
  })

  test('can be looked at without spending, and given back', async () => {
    const charge = { budget: one, subject: 'looked at' }
    expect(await shortOf(database.pool, hashKey, [charge], start)).toEqual([])
    expect((await ask([charge])).granted).toBe(true)
    expect(await shortOf(database.pool, hashKey, [charge], start)).toEqual([charge])
    await giveBack(database.pool, hashKey, charge)
    expect((await ask([charge])).granted).toBe(true)
  })

  test('a clock that jumps back gives nobody more', async () => {
    const charge = { budget: five, subject: 'skewed' }
    expect(await times(5, charge)).toBe(5)
    expect(await times(5, charge, later(-600))).toBe(0)
  })

  test('a clock a year ahead for a while shuts nobody out once it has been set right', async () => {
    const charge = { budget: five, subject: 'from the future' }
    expect(await times(5, charge, later(365 * 86_400))).toBe(5)
    expect(await shortOf(database.pool, hashKey, [charge], start)).toEqual([])
    expect(await times(9, charge)).toBe(5)
  })

  test('says how much of the fullest is spent, and of what nobody has asked for, nothing', async () => {
    const budget = { name: 'watched', quota: 4, span: 100 }
    await times(1, { budget, subject: 'little' })
    await times(3, { budget, subject: 'much' })
    const shares = await spentShares(database.pool, ['watched', 'unknown'], start)
    expect([...shares].toSorted()).toEqual([
      ['unknown', 0],
      ['watched', 0.75],
    ])
  })

  test('is cleared away once whole, and nothing of whom it was for can be read meanwhile', async () => {
    await ask([{ budget: one, subject: 'kari@example.org' }])
    expect(await everyRow(database.pool)).not.toContain('kari')
    expect(await forgetWholeBudgets(database.pool, later(3_600))).toBeGreaterThan(0)
    expect((await ask([{ budget: one, subject: 'kari@example.org' }], later(3_600))).granted).toBe(false)
    await forgetWholeBudgets(database.pool, later(2 * 86_400))
    expect((await database.pool.query('select from budgets')).rowCount).toBe(0)
  })
})
