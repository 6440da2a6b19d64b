import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { openTimetable } from '../../workers/scheduler/timetable.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { signal } from '../rig/hand-over.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engines: Engine[]
let newsroom: Newsroom
const silent = pino({ level: 'silent' })

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engines = [1, 2, 3].map(() => openEngine(database.pool, inbox.url, { chunkSize: 10 }))
  newsroom = await givenNewsroom(database.pool)
  return async () => {
    for (const engine of engines) await engine.close()
    await inbox.close()
  }
})

test('reconcilers at the same time, and workers that all hear of the same work, send each reader each letter once', async () => {
  const readers = await givenReaders(database.pool, newsroom, 60)
  const embargoed = await givenMailing(database.pool, newsroom, { publishedAt: new Date(Date.now() + 3_600_000) })
  await database.pool.query(`update mailings set due_at = now() where id = $1`, [embargoed.mailingId])
  const cut = await givenMailing(database.pool, newsroom)
  await cutAudience(engines[0]!.fanOut, cut.mailingId)
  await givenMailing(database.pool, newsroom)
  for (const engine of engines) engine.woken.length = 0

  const isDone = async () => (await database.pool.query(`select from mailings where state <> 'done'`)).rowCount === 0
  for (let round = 0; round < 10 && !(await isDone()); round += 1)
    await Promise.all(engines.map((engine) => engine.reconcileAndSend()))

  expect(await isDone()).toBe(true)
  const letters = inbox.received.map(({ to, from }) => `${to} ${from}`)
  expect(letters).toHaveLength(3 * readers.length)
  expect(new Set(letters).size).toBe(3 * readers.length)
  const { rows } = await database.pool.query('select sum(doubted)::int as doubted, sum(sent)::int as sent from chunks')
  expect(rows).toEqual([{ doubted: 0, sent: 3 * readers.length }])
})

test('a reconciler that gets no answer to one of its questions wakes all that the others find, and tells of the fault', async () => {
  await givenReaders(database.pool, newsroom, 10)
  const [cut, waits] = [await givenMailing(database.pool, newsroom), await givenMailing(database.pool, newsroom)]
  await cutAudience(engines[0]!.fanOut, cut.mailingId)
  const wokenWhile = async (fault: string) => {
    const woken: string[] = []
    const broken = new Proxy(database.pool, {
      get: (target, name) =>
        name !== 'query'
          ? Reflect.get(target, name)
          : (...asked: [never, never]) =>
              JSON.stringify(asked).includes(fault)
                ? Promise.reject(new Error('canceling statement due to statement timeout'))
                : target.query(...asked),
    })
    const round = reconcile({
      pool: broken,
      wake: (queue) => woken.push(queue),
      now: () => new Date(),
      heardUntil: async () => Date.now(),
    })
    await expect(round).rejects.toThrow('statement timeout')
    return woken.toSorted()
  }
  expect(waits.mailingId).not.toBe(cut.mailingId)
  expect(await wokenWhile(`state = 'embargoed'`)).toEqual(['fan-out', 'mail-bulk', 'notices'])
  expect(await wokenWhile('from notices')).toEqual(['fan-out', 'mail-bulk'])
  expect(await wokenWhile('own_faults > 0')).toEqual(['mail-bulk', 'notices'])
  expect(await wokenWhile('workers')).toEqual(['fan-out', 'mail-bulk', 'notices'])
})

test('of several processes one at a time does a chore of the clock, and when it is through another may', async () => {
  const under = { way: 0, most: 0, turns: 0 }
  const chore = {
    name: 'reconcile',
    every: 0.001,
    act: async () => {
      under.way += 1
      under.most = Math.max(under.most, under.way)
      const wake = () => {}
      await reconcile({ pool: database.pool, wake, now: () => new Date(), heardUntil: async () => null })
      under.way -= 1
      under.turns += 1
    },
  }
  const timetables = [1, 2, 3].map(() => openTimetable({ pool: database.pool, log: silent }, [chore]))
  await until('they have taken turns', () => under.turns >= 20)
  await Promise.all(timetables.map((timetable) => timetable.close()))
  expect(under.most).toBe(1)
})

test('a chore whose process stands still in its turn is another’s after as long as it may', async () => {
  const standing = signal()
  const goOn = signal()
  const told: string[] = []
  const stand = () => {
    standing.give()
    return goOn.given
  }
  const log = pino({ level: 'warn' }, { write: (line) => void told.push(JSON.parse(line).msg) })
  const chore = { name: 'reconcile', every: 0.05, patience: 1 }
  const still = openTimetable({ pool: database.pool, log }, [{ ...chore, act: stand }])
  await standing.given
  const turn = signal()
  const other = openTimetable({ pool: database.pool, log: silent }, [{ ...chore, act: async () => turn.give() }])
  await turn.given
  await other.close()
  goOn.give()
  await still.close()
  // PostgreSQL has ended the turn, and it is told.
  expect(told).toContain('a chore did not succeed; its next turn comes')
})
