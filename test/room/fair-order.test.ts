import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { closeChunk, dueChunks, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { dealDeliveries } from '../../shared/delivery/deal.sql.ts'
import { insertDigestMailing } from '../../shared/mailing/digest-mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { WakeUp } from '../../shared/queues/queues.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { cutAudience, type FanOutDeps } from '../../workers/fan-out/cut-audience.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let fanOut: FanOutDeps
let newsroom: Newsroom
let readers: Reader[]
/** What the queue would hold: who came first goes first among equal ranks. */
let waiting: WakeUp<'mail-bulk'>[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  const wake = ((queue: string, wakeUps: WakeUp<'mail-bulk'>[]) => {
    if (queue === 'mail-bulk') waiting.push(...wakeUps)
  }) as Wake
  const engine = openEngine(database.pool, 'smtp://127.0.0.1:9')
  fanOut = { ...engine.fanOut, wake, chunkSize: 1 }
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  waiting = []
  newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 30)
})

/** Another release to all thirty, a chunk for each; the walk begins behind a subscription that is drawn, or this one. */
async function publish(behind: string | null = null): Promise<MailingId> {
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await database.pool.query('update mailings set cut_from = $2, cut_after = $2 where id = $1', [mailingId, behind])
  // On a busy machine a letter may take longer to prepare than one is given, and the mailing rests.
  await until('it is cut', async () => {
    await database.pool.query('update mailings set try_until = null, next_try_at = null where id = $1', [mailingId])
    await cutAudience(fanOut, mailingId)
    return waiting.filter(({ payload }) => payload.mailingId === mailingId).length === 30
  })
  return mailingId
}

/** One turn of a worker: whose chunk was the most urgent. */
async function turn(): Promise<MailingId> {
  const next = waiting.reduce((best, one) => (one.rank! < best.rank! ? one : best))
  waiting.splice(waiting.indexOf(next), 1)
  const { mailingId, chunk: n } = next.payload
  const lease = await leaseChunk(database.pool, { mailingId, n }, null)
  await database.pool.query(`update chunks set state = 'done' where mailing_id = $1 and n = $2`, [mailingId, n])
  await closeChunk(database.pool, lease!.chunk, 0)
  return mailingId
}

async function turns(count: number): Promise<MailingId[]> {
  const taken: MailingId[] = []
  while (taken.length < count) taken.push(await turn())
  return taken
}

describe('a mailing', () => {
  test('comes to its end though others keep coming, each when the one before is half sent', async () => {
    const first = await publish()
    const sentOf = new Map<MailingId, number>()
    let newest = first
    let needed = 0
    for (; (sentOf.get(first) ?? 0) < 30 && needed < 400; needed += 1) {
      const mailing = await turn()
      sentOf.set(mailing, (sentOf.get(mailing) ?? 0) + 1)
      if (mailing === newest && sentOf.get(mailing) === 15) newest = await publish()
    }
    expect(sentOf.get(first)).toBe(30)
    expect(needed).toBeLessThan(60)
  })

  test('begins at once beside one that is half sent, and from then on they take turns', async () => {
    const first = await publish()
    await turns(15)
    const second = await publish()
    const taken = await turns(11)
    expect(taken[0]).toBe(second)
    expect(taken.slice(1)).toEqual(Array.from({ length: 5 }, () => [first, second]).flat())
  })

  test.each([1, 2, 29])('takes its turns alike if the walk comes to the end of the circle after %i', async (chunks) => {
    const first = await publish()
    await turns(15)
    const { rows } = await database.pool.query('select id from subscriptions order by id offset $1 limit 1', [
      29 - chunks,
    ])
    const second = await publish(rows[0].id)
    const taken = await turns(11)
    expect(taken[0]).toBe(second)
    expect(taken.slice(1)).toEqual(Array.from({ length: 5 }, () => [first, second]).flat())
  })

  test('goes behind those that were taken up in vain while the mail host was away', async () => {
    const first = await publish()
    await turns(10)
    const inVain = 20
    for (const { payload } of waiting.slice(0, inVain)) {
      const lease = await leaseChunk(database.pool, { mailingId: first, n: payload.chunk }, null)
      await closeChunk(database.pool, lease!.chunk, 0)
    }
    const second = await publish()
    const taken = await turns(11)
    expect(taken[0]).toBe(second)
    expect(taken.filter((mailing) => mailing === first)).toHaveLength(5)
  })

  test('that is paused keeps nobody from the place that the others have reached', async () => {
    const first = await publish()
    const paused = await publish()
    await database.pool.query('update mailings set paused = true where id = $1', [paused])
    waiting = waiting.filter(({ payload }) => payload.mailingId !== paused)
    await turns(20)
    const third = await publish()
    const taken = await turns(11)
    expect(taken[0]).toBe(third)
    expect(taken.filter((mailing) => mailing === first)).toHaveLength(5)
  })

  test('of a digest takes its turns like any other, however often readers are added to it', async () => {
    await publish()
    await turns(12)
    const digest = await insertDigestMailing(database.pool, { newsroomId: newsroom.id, dueAt: null, paused: false })
    const deal = (from: number, upto: number) =>
      dealDeliveries(
        database.pool,
        digest,
        readers.slice(from, upto).map(({ subscriptionId }) => subscriptionId),
        1,
      )
    await deal(0, 3)
    await turns(4)
    await deal(3, 5)
    const { rows } = await database.pool.query('select n, rank from chunks where mailing_id = $1 order by n', [digest])
    // The turn of rank 12 is next, as twelve have had theirs, from 0; later that of 16.
    expect(rows).toEqual([
      { n: 0, rank: 0 },
      { n: 1, rank: 12 },
      { n: 2, rank: 13 },
      { n: 3, rank: 16 },
      { n: 4, rank: 17 },
    ])
  })
})

test('the reconciler wakes the most urgent chunks, and of all others first those that have been due for longest', async () => {
  const mailing = await publish()
  await database.pool.query(`update chunks set next_at = now() where mailing_id = $1`, [mailing])
  await database.pool.query(
    `update chunks set next_at = now() - interval '1 hour' where mailing_id = $1 and rank in (28, 29)`,
    [mailing],
  )
  const ranks = async (most: number) =>
    (await dueChunks(database.pool, most, Date.now())).map(({ rank }) => rank).toSorted((a, b) => a - b)
  expect(await ranks(8)).toEqual([0, 1, 2, 3, 4, 5, 28, 29])
  expect(await ranks(40)).toEqual(Array.from({ length: 30 }, (_, rank) => rank))
})

test('a chunk that comes to nothing, minute after minute, keeps no place before what is under way', async () => {
  const first = await publish()
  for (let chunk = 0; chunk < 20; chunk += 1) await turn()
  const lowest = async () => {
    const { rows } = await database.pool.query<{ rank: number }>('select ranks_from($1) as rank', [
      (await givenMailing(database.pool, newsroom)).mailingId,
    ])
    return rows[0]!.rank
  }
  expect(await lowest()).toBe(20)
  // As one that faults at every turn; the others go on.
  const stuck = `update chunks set state = 'open', vain_since = now() - $2 * interval '1 second' where mailing_id = $1 and rank = 5`
  await database.pool.query(stuck, [first, 20])
  expect(await lowest()).toBe(5)
  await database.pool.query(stuck, [first, 70])
  expect(await lowest()).toBe(20)
})
