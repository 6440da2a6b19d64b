import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutChunks } from '../../shared/delivery/chunk.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { walking } from '../../shared/postgres/walk.ts'
import { lockDigestReaders } from '../../shared/subscription/digest-readers.sql.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

let database: TestDatabase
let pool: Pool
let newsroom: Newsroom
let mailingId: MailingId

beforeAll(async () => {
  database = await openTestDatabase()
  pool = openPool({ url: database.url, name: 'walk', most: 1, byKey: true, onError: () => {} })
  newsroom = await givenNewsroom(pool)
  await givenReaders(pool, newsroom, 4_000)
  await pool.query(`update subscriptions set frequency = 'daily' where id % 2 = 0`)
  mailingId = (await givenMailing(pool, newsroom)).mailingId
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

type Plan = { 'Relation Name'?: string; 'Actual Rows': number; Plans?: Plan[] }

/** How many subscriptions a statement took from the table, as PostgreSQL tells it. */
async function subscriptionsRead(run: (db: Pool) => Promise<unknown>): Promise<number> {
  return inTransaction(pool, async (tx) => {
    let read = 0
    const count = ({ Plans = [], ...plan }: Plan) => {
      if (plan['Relation Name'] === 'subscriptions') read += plan['Actual Rows']
      for (const one of Plans) count(one)
    }
    const explained = {
      query: async (text: string, values: unknown[]) => {
        const { rows } = await tx.query(`explain (analyze, format json) ${text}`, values)
        count(rows[0]['QUERY PLAN'][0].Plan)
        return { rows: [{}] }
      },
    }
    await walking(tx, () => run(explained as unknown as Pool))
    return read
  })
}

// Else a million readers are read and sorted anew for each of their batches. No figures about the tables are gathered
// here, as in an installation whose readers have just been imported.
test('a batch of digest readers is taken without reading those behind it', async () => {
  expect(await subscriptionsRead((db) => lockDigestReaders(db, newsroom.id, 'daily', '0', 100))).toBe(100)
})

test('a stretch of an audience is cut without reading those behind it', async () => {
  const stretch = { mailingId, after: '0', upto: '9999999', firstN: 0, size: 10, chunks: 10 }
  const read = await subscriptionsRead((db) => cutChunks(db, stretch))
  expect(read).toBeGreaterThanOrEqual(100)
  // Once to see how far it goes, and once for who is owed it: every second reader is of another frequency.
  expect(read).toBeLessThanOrEqual(200)
})
