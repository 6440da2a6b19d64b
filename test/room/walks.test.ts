import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutChunks, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { adoptAbandoned } from '../../shared/delivery/record-attempts.sql.ts'
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

type Plan = {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Join Filter'?: number
  Plans?: Plan[]
}
type Statement = { readonly text: string; readonly values: unknown[] }
type Beginning = (tx: Tx, work: () => Promise<unknown>) => Promise<unknown>
const asIs: Beginning = (_, work) => work()

/** Every node of a statement's plan, with what PostgreSQL tells it did. The statement does what it says. */
async function planOf(
  run: (db: Db) => Promise<unknown>,
  begin: Beginning,
  plans: (typeof planning)[number] = 'force_custom_plan',
): Promise<Plan[]> {
  return inTransaction(pool, async (tx) => {
    await tx.query(`set local plan_cache_mode = ${plans}`)
    const nodes: Plan[] = []
    const visit = (plan: Plan) => {
      nodes.push(plan)
      for (const one of plan.Plans ?? []) visit(one)
    }
    const explained = {
      query: async (statement: string | Statement, more: unknown[]) => {
        const { text, values } = typeof statement === 'string' ? { text: statement, values: more } : statement
        await tx.query(`prepare looked_at as ${text}`)
        const given = values.map((value) => (value === null ? 'null' : pg.escapeLiteral(String(value)))).join()
        const { rows } = await tx.query(`explain (analyze, format json) execute looked_at(${given})`)
        await tx.query('deallocate looked_at')
        visit(rows[0]['QUERY PLAN'][0].Plan)
        return { rows: [{}] }
      },
    }
    await begin(tx, () => run(explained as unknown as Db))
    return nodes
  })
}

const rowsOf = (node: Plan) => node['Actual Rows'] * node['Actual Loops']
const sumOf = (nodes: readonly Plan[], of: (node: Plan) => number) => nodes.reduce((sum, node) => sum + of(node), 0)

/** How many rows of a table a statement took from it. */
async function rowsRead(
  table: 'subscriptions' | 'subscribers',
  run: (db: Db) => Promise<unknown>,
  begin: Beginning = walking,
): Promise<number> {
  return sumOf(
    (await planOf(run, begin)).filter((node) => node['Relation Name'] === table),
    rowsOf,
  )
}
const subscriptionsRead = (run: (db: Db) => Promise<unknown>) => rowsRead('subscriptions', run)

/** As a connection plans a statement at first, and when it has run it five times. */
const planning = ['force_custom_plan', 'force_generic_plan'] as const

type Planning = (typeof planning)[number]

/** What a claim of so many does where 100 of a chunk's letters are in hand and the rest due. */
async function planOfClaim(n: number, most: number, plans: Planning): Promise<Plan[]> {
  await pool.query('delete from deliveries')
  await pool.query('delete from chunks')
  await inTransaction(pool, (tx) =>
    cutChunks(tx, { mailingId, after: '0', upto: '9999999', firstN: n, size: 1_000, chunks: 1 }),
  )
  const { chunk } = (await leaseChunk(pool, { mailingId, n }, null))!
  const window = 172_800
  await writeDeliveries(pool, chunk, { most: 100, window })
  return planOf((db) => claimDeliveries(db, chunk, { most, window }), asIs, plans)
}

async function expectEachLetterLookedAtOnce(n: number, plans: Planning): Promise<void> {
  const nodes = await planOfClaim(n, 900, plans)
  const isWrite = (node: Plan) => node['Node Type'] === 'ModifyTable' && node['Relation Name'] === 'deliveries'
  const claimed = sumOf(nodes.filter(isWrite), rowsOf)
  expect(claimed).toBeGreaterThanOrEqual(400)
  expect(sumOf(nodes, handled)).toBeLessThan(50 * claimed)
}

/** Rows that a node took or threw away; some twenty nodes hand each letter on to the next. */
const handled = (node: Plan) => rowsOf(node) + (node['Rows Removed by Join Filter'] ?? 0) * node['Actual Loops']

// A thousand letters would be held against each other a million times. No figures about the tables are gathered yet.
test.each(planning)('a claim of what is left of a chunk looks at each letter once (%s)', async (plans) => {
  await pool.query(`update mailings set state = 'cutting', started_at = now()`)
  await expectEachLetterLookedAtOnce(200, plans)
})

test.each(planning)(
  'what a vanished process had claimed is taken over by looking at each letter once (%s)',
  async (plans) => {
    await planOfClaim(230, 900, plans)
    await pool.query('update chunks set fence = fence + 1')
    const { rows } = await pool.query<{ fence: string }>('select fence from chunks')
    const chunk = { mailingId, n: 230, fence: rows[0]!.fence }
    const nodes = await planOf((db) => adoptAbandoned(db, chunk), asIs, plans)
    const { rows: adopted } = await pool.query('select 1 from deliveries where fence = $1', [chunk.fence])
    expect(adopted.length).toBeGreaterThanOrEqual(400)
    expect(sumOf(nodes, handled)).toBeLessThan(50 * adopted.length)
  },
)

// An opt-out waits for whoever has locked its reader.
test.each([...planning, 'a bitmap'] as const)(
  'a claim of a few locks no more readers than it takes (%s)',
  async (plans) => {
    const isBitmap = plans === 'a bitmap'
    if (isBitmap) await pool.query('set enable_indexscan = off')
    try {
      const nodes = await planOfClaim(250, 80, isBitmap ? 'force_generic_plan' : plans)
      const isLockOf = (node: Plan) =>
        node['Node Type'] === 'LockRows' && node.Plans?.[0]?.['Relation Name'] === 'subscriptions'
      expect(sumOf(nodes.filter(isLockOf), rowsOf)).toBe(80)
    } finally {
      await pool.query('reset enable_indexscan')
    }
  },
)

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
  await pool.query('delete from deliveries')
  await pool.query('delete from chunks')
  await pool.query(`update subscriptions set frequency = 'immediate'`)
  await pool.query(`update mailings set state = 'cutting', started_at = now()`)
  await pool.query('analyze')
  await inTransaction(pool, (tx) =>
    cutChunks(tx, { mailingId, after: '0', upto: '9999999', firstN: 100, size: 100, chunks: 2 }),
  )
  const claim = { most: 40, window: 172_800 }
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

test.each(planning)(
  'a claim of what is left of a chunk looks at each letter once, also where the tables are known (%s)',
  async (plans) => {
    await pool.query('analyze')
    await expectEachLetterLookedAtOnce(300, plans)
  },
)
