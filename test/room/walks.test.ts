import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutChunks, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { insertMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Tx } from '../../shared/postgres/advisory-lock.ts'
import { type Db, openPool, type Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { walking } from '../../shared/postgres/walk.ts'
import { addRevision } from '../../shared/release/release.sql.ts'
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

type Plan = { 'Relation Name'?: string; 'Actual Rows': number; 'Actual Loops': number; Plans?: Plan[] }
type Statement = { readonly text: string; readonly values: unknown[] }

/** How many rows of a table a statement took from it, as PostgreSQL tells it. It does what it says. */
async function rowsRead(
  table: 'subscriptions' | 'subscribers',
  run: (db: Db) => Promise<unknown>,
  begin: (tx: Tx, work: () => Promise<unknown>) => Promise<unknown> = walking,
): Promise<number> {
  return inTransaction(pool, async (tx) => {
    let read = 0
    const count = ({ Plans = [], ...plan }: Plan) => {
      if (plan['Relation Name'] === table) read += plan['Actual Rows'] * plan['Actual Loops']
      for (const one of Plans) count(one)
    }
    const explained = {
      query: async (statement: string | Statement, more: unknown[]) => {
        const { text, values } = typeof statement === 'string' ? { text: statement, values: more } : statement
        const { rows } = await tx.query(`explain (analyze, format json) ${text}`, values)
        count(rows[0]['QUERY PLAN'][0].Plan)
        return { rows: [{}] }
      },
    }
    await begin(tx, () => run(explained as unknown as Db))
    return read
  })
}
const subscriptionsRead = (run: (db: Db) => Promise<unknown>) => rowsRead('subscriptions', run)

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

// At tens of thousands of readers a join of the two is dearer than all else a chunk costs, and grows with them.
test('a chunk’s letters are written and claimed without reading anybody else', async () => {
  await pool.query(`update subscriptions set frequency = 'immediate'`)
  await pool.query(`update mailings set state = 'cutting', started_at = now()`)
  await pool.query('analyze')
  await inTransaction(pool, (tx) =>
    cutChunks(tx, { mailingId, after: '0', upto: '9999999', firstN: 100, size: 100, chunks: 2 }),
  )
  const claim = { most: 40, window: 172_800 }
  const asIs = (_: Tx, work: () => Promise<unknown>) => work()
  for (const [n, table] of [
    [100, 'subscriptions'],
    [101, 'subscribers'],
  ] as const) {
    const taken = await leaseChunk(pool, { mailingId, n }, null)
    expect(await rowsRead(table, (db) => writeDeliveries(db, taken!.chunk, claim), asIs)).toBe(100)
    // Sixty are left. With figures from which the planner takes all of them for due.
    await pool.query('analyze deliveries')
    const read = await rowsRead(table, (db) => claimDeliveries(db, taken!.chunk, claim), asIs)
    expect([read >= 40, read <= 60]).toEqual([true, true])
  }
})

test('a withdrawal looks at each letter that told of its release once, however many digests did and whoever has none', async () => {
  const digests = 20
  const { release } = await givenMailing(pool, newsroom)
  await pool.query(
    `with made as (
       insert into mailings (newsroom_id, kind, state, accepted_at, due_at)
       select $1, 'digest', 'done', now(), now() from generate_series(1, $3::int)
       returning id
     )
     insert into digest_items (mailing_id, place, release_id, revision, telling) select id, 0, $2, 1, 'new' from made`,
    [newsroom.id, release.id, digests],
  )
  await addRevision(pool, { ...release, kind: 'withdrawal', revision: 2 }, new Date())
  const { id } = await insertMailing(pool, {
    ...{ newsroomId: newsroom.id, kind: 'withdrawal', releaseId: release.id, revision: 2, dueAt: 'now' },
  })
  // In half the digests, one reader each.
  await pool.query(
    `insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at)
     select m.id, (select min(id) + m.id from subscriptions), 'sent', 1, 1, now()
       from mailings m where m.kind = 'digest' and m.id % 2 = 0`,
  )
  const looks = await inTransaction(pool, async (tx) => {
    const stretch = { mailingId: id, after: '0', upto: '9999999', firstN: 0, size: 1_000, chunks: 50 }
    const { cut } = await walking(tx, () => cutChunks(tx, stretch))
    expect(cut).toHaveLength(1)
    const { rows } = await tx.query(
      `select coalesce(sum(idx_scan), 0)::int as looks from pg_stat_xact_user_tables where relname in ('deliveries', 'attempts')`,
    )
    const { rows: sizes } = await tx.query('select size from chunks where mailing_id = $1', [id])
    expect(sizes).toEqual([{ size: digests / 2 }])
    return rows[0].looks
  })
  expect(looks).toBeGreaterThanOrEqual(digests)
  expect(looks).toBeLessThan(10 * digests)
})
