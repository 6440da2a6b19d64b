import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cancelMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { cutAudience, type FanOutDeps } from '../../workers/fan-out/cut-audience.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'
import { standingStill } from '../rig/watch-statements.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine

beforeAll(async () => {
  database = await openTestDatabase()
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url)
})
afterAll(async () => {
  await engine.close()
  await inbox.close()
  await database.close()
})

describe('a cut', () => {
  /** At a reader a chunk and fifty chunks a stretch, from the middle of the circle: stretches of 50, 10, 50 and 10. */
  const readers = Array.from({ length: 120 }, (_, n) => `r${n}`)
  let mailingId: MailingId

  beforeEach(async () => {
    await emptyTables(database.pool)
    engine.woken.length = 0
    inbox.received.length = 0
    const newsroom = await givenNewsroom(database.pool)
    const given = await givenReaders(
      database.pool,
      newsroom,
      readers.map((name) => `${name}@readers.example`),
    )
    mailingId = (await givenMailing(database.pool, newsroom)).mailingId
    // Where the walk begins is drawn; here it is told.
    await database.pool.query('update mailings set cut_from = $2, cut_after = $2 where id = $1', [
      mailingId,
      given[59]!.subscriptionId,
    ])
  })

  const oneEach = (deps: Partial<FanOutDeps> = {}) =>
    cutAudience({ ...engine.fanOut, chunkSize: 1, ...deps }, mailingId)

  /** The chunks there are: none has a reader twice, none lies over another. */
  async function chunks(): Promise<number> {
    const { rows } = await database.pool.query<{ n: number; after_id: string; upto_id: string }>(
      'select n, after_id, upto_id from chunks where mailing_id = $1 order by upto_id',
      [mailingId],
    )
    expect(rows.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(rows.map((_, n) => n))
    for (const [at, { after_id }] of rows.entries())
      if (at > 0) expect(BigInt(after_id)).toBeGreaterThanOrEqual(BigInt(rows[at - 1]!.upto_id))
    return rows.length
  }

  async function everybodyOnce(): Promise<void> {
    await engine.reconcileAndSend()
    await engine.reconcileAndSend()
    expect(inbox.received.map(({ to }) => to.split('@')[0]!).toSorted()).toEqual(readers.toSorted())
    const { rows } = await database.pool.query('select state from mailings where id = $1', [mailingId])
    expect(rows).toEqual([{ state: 'done' }])
  }

  test('that breaks off between two stretches goes on where it stood: nobody is passed over, nobody is in two chunks', async () => {
    await database.pool.query(`create function break_off() returns trigger language plpgsql as
      $$ begin if new.n >= 70 then raise 'broken off'; end if; return new; end $$;
      create trigger break_off before insert on chunks for each row execute function break_off()`)
    await expect(oneEach()).rejects.toThrow('broken off')
    // All of the stretch is undone with what broke it.
    expect(await chunks()).toBe(60)
    expect(engine.woken).toHaveLength(60)
    await expect(oneEach()).rejects.toThrow('broken off')
    expect(await chunks()).toBe(60)
    await database.pool.query('drop trigger break_off on chunks; drop function break_off')
    await oneEach()
    expect(await chunks()).toBe(120)
    engine.woken.length = 0
    await everybodyOnce()
  })

  test('whose process is told to stop commits the stretch it is at, and the next process goes on from there', async () => {
    await oneEach({ stopping: () => engine.woken.length > 0 })
    expect(await chunks()).toBe(50)
    expect(engine.woken).toHaveLength(50)
    await oneEach()
    expect(await chunks()).toBe(120)
    engine.woken.length = 0
    await everybodyOnce()
  })

  test('that takes longer than a turn leaves its place to others between two stretches, and is gone on with', async () => {
    await oneEach({ longestTurn: 0 })
    expect(await chunks()).toBe(50)
    const again = engine.woken.filter(({ queue }) => queue === 'fan-out')
    expect(again.map(({ payload }) => payload)).toEqual([{ mailingId }])
    await oneEach()
    expect(await chunks()).toBe(120)
    engine.woken.length = 0
    await everybodyOnce()
  })

  describe('whose process stands still with a stretch half cut', () => {
    let frozen: ReturnType<typeof standingStill>
    let cutting: Promise<void>

    beforeEach(async () => {
      await oneEach({ stopping: () => engine.woken.length > 0 })
      frozen = standingStill(database.pool, /set cut_after =/)
      cutting = oneEach({ pool: frozen.pool })
      await until('it stands still', frozen.stands)
    })

    test('keeps none of the letters already cut waiting', async () => {
      await engine.reconcileAndSend()
      expect(new Set(inbox.received.map(({ to }) => to)).size).toBe(50)
      frozen.goOn()
      await cutting
      engine.woken.length = 0
      await everybodyOnce()
    })

    test('lets a mailing be cancelled meanwhile, and nobody is written to afterwards', async () => {
      expect(await cancelMailing(database.pool, mailingId)).toBe(true)
      frozen.goOn()
      await cutting
      expect(await chunks()).toBe(60)
      engine.woken.length = 0
      await engine.reconcileAndSend()
      expect(inbox.received).toEqual([])
      const { rows } = await database.pool.query(
        `select m.state, c.state as chunk, sum(c.withdrawn)::int as withdrawn from mailings m join chunks c on c.mailing_id = m.id
          where m.id = $1 group by 1, 2`,
        [mailingId],
      )
      expect(rows).toEqual([{ state: 'cancelled', chunk: 'done', withdrawn: 60 }])
    })
  })

  test('that is in the hands of a process which stands still takes up nobody else who would cut it', async () => {
    await oneEach({ stopping: () => engine.woken.length > 0 })
    const frozen = standingStill(database.pool, /^commit$/)
    const cutting = oneEach({ pool: frozen.pool })
    await until('it stands still', frozen.stands)
    // Also with the mailing's row taken.
    await oneEach()
    frozen.goOn()
    await cutting
    expect(await chunks()).toBe(120)
    engine.woken.length = 0
    await everybodyOnce()
  })

  test('of few among many goes on in stretches all the same, and no chunk spans more than one', async () => {
    const { rows: circle } = await database.pool.query<{ id: string; address: string }>(
      'select s.id, b.address from subscriptions s join subscribers b on b.id = s.subscriber_id order by s.id',
    )
    const few = [3, 59, 61, 119].map((place) => circle[place]!)
    await database.pool.query(`update subscriptions set frequency = 'daily' where not id = any($1)`, [
      few.map(({ id }) => id),
    ])
    await database.pool.query('update mailings set cut_from = $1, cut_after = $1', [circle[59]!.id])
    await oneEach({ stopping: () => engine.woken.length > 0 })
    expect(await chunks()).toBe(1)
    await oneEach()
    const { rows } = await database.pool.query(
      `select size, (select count(*) from subscriptions s where s.id > c.after_id and s.id <= c.upto_id) as spans
         from chunks c where mailing_id = $1`,
      [mailingId],
    )
    expect(rows.map(({ size }) => size)).toEqual([1, 1, 1, 1])
    for (const { spans } of rows) expect(Number(spans)).toBeLessThanOrEqual(50)
    engine.woken.length = 0
    await engine.reconcileAndSend()
    expect(inbox.received.map(({ to }) => to.split('@')[0]!).toSorted()).toEqual(
      few.map(({ address }) => address.split('@')[0]!).toSorted(),
    )
  })

  test.each([
    [1, 50],
    [2, 60],
    [3, 110],
    [4, 120],
  ])(
    'whose process ends after the commit of stretch %i, before anybody is woken, goes on likewise',
    async (last, committed) => {
      let woken = 0
      const wake: FanOutDeps['wake'] = (queue, wakeUps) => {
        if (wakeUps.length > 0 && ++woken === last) throw new Error('killed')
        engine.fanOut.wake(queue, wakeUps)
      }
      await expect(oneEach({ wake })).rejects.toThrow('killed')
      expect(await chunks()).toBe(committed)
      await oneEach()
      expect(await chunks()).toBe(120)
      // The wake-ups given were lost as well.
      engine.woken.length = 0
      await everybodyOnce()
    },
  )
})
