import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import type { HeldChunk } from '../../shared/delivery/delivery.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { until } from '../rig/until.ts'

/*
 * A statement that has to wait for a row goes on with the row as it is then, and with everything else as it was when it began
 * (READ COMMITTED). These wait at the two places where that could lose a reader.
 */
let database: TestDatabase
let readers: Reader[]
let chunk: HeldChunk
const claim = { most: 10, window: 3_600 }

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  const engine = openEngine(database.pool, 'smtp://127.0.0.1:9')
  const newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 3)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  // The whole circle is one chunk.
  await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
  await cutAudience(engine.fanOut, mailingId)
  chunk = (await leaseChunk(database.pool, { mailingId, n: 0 }))!.chunk
  await engine.close()
})

const somebodyWaits = () =>
  until('a statement waits for a lock', async () => {
    const { rowCount } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === 1
  })

test('a chunk given back while its letters are still being written is not done: they are all sent', async () => {
  let closing: ReturnType<typeof closeChunk> | undefined
  await inTransaction(database.pool, async (tx) => {
    await writeDeliveries(tx, chunk, { ...claim, most: 0 })
    closing = closeChunk(database.pool, chunk, 0)
    await somebodyWaits()
  })
  expect(await closing).toMatchObject({ state: 'open' })
  const again = await leaseChunk(database.pool, chunk)
  expect(await claimDeliveries(database.pool, again!.chunk, claim)).toHaveLength(3)
})

test('whose address is changed while their letter is being written down gets it, at the new one', async () => {
  const [moving] = readers
  let writing: ReturnType<typeof writeDeliveries> | undefined
  await database.pool.query(
    `insert into subscribers (address, address_key, address_hash, created_at)
     values ('new@readers.example', 'new@readers.example', sha256('new'), now())`,
  )
  await inTransaction(database.pool, async (tx) => {
    await tx.query(
      `update subscriptions set subscriber_id = (select id from subscribers where address = 'new@readers.example') where id = $1`,
      [moving!.subscriptionId],
    )
    writing = writeDeliveries(database.pool, chunk, claim)
    await somebodyWaits()
  })
  const told = (await writing!).map(({ address }) => address).toSorted()
  expect(told).toEqual(['new@readers.example', 'reader2@readers.example', 'reader3@readers.example'])
})
