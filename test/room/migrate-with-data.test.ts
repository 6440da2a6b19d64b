import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../shared/postgres/migrate.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

const folder = join(import.meta.dirname, '../../shared/postgres/migrations')
const all = readdirSync(folder).length

let database: TestDatabase
let inbox: RecordingInbox

beforeEach(async () => {
  database = await openTestDatabase()
  await database.pool.query('drop schema public cascade; create schema public')
  inbox = await openRecordingInbox()
  return async () => {
    await inbox.close()
    await database.close()
  }
})

/** The schema as the first `count` migrations leave it: an installation of an earlier version. */
async function asOfMigration(count: number): Promise<void> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const options = {
    dbClient: client,
    dir: folder,
    direction: 'up',
    migrationsTable: 'migrations',
    count,
    log: () => {},
  }
  await runner(options as unknown as Parameters<typeof runner>[0])
  await client.end()
}

/**
 * Rows of the very first version's columns: a newsroom with five readers and one who has left, a release half sent, its
 * first chunk done and its second one cut, and another release that is due.
 */
const seed = `
insert into newsrooms (id, slug, name, languages, default_language, zone, sender_address, sender_name, legal_name,
                       postal_address, accent, created_at)
values ('00000000-0000-7000-8000-000000000001', 'havna', 'Havna', '{nb}', 'nb', 'Europe/Oslo', 'presse@havna.example', 'Havna',
        'Havna', 'Kaien 1', '#1f4e79', now() - interval '1 year');
insert into subscribers (address, address_key, address_hash, created_at)
select 'r' || n || '@readers.example', 'r' || n || '@readers.example', sha256(n::text::bytea), now() - interval '1 month'
  from generate_series(1, 6) n;
insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at, ended_at, ended_reason)
select '00000000-0000-7000-8000-000000000001', id, case when id = 6 then 'ended' else 'active' end, 'nb',
       now() - interval '1 month', now() - interval '1 month',
       case when id = 6 then now() - interval '1 week' end, case when id = 6 then 'unsubscribed' end
  from subscribers;
insert into consent_log (subscription_id, newsroom_id, subscriber_id, act, at, door, wording)
select id, newsroom_id, subscriber_id, 'confirmed', activated_at, 'confirm', 'Ja' from subscriptions;
insert into suppressions (address_hash, reason, at) values (sha256('5'::bytea), 'bounced', now() - interval '1 day');
insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
select ('00000000-0000-7000-8000-00000000010' || n)::uuid, '00000000-0000-7000-8000-000000000001', 'sak-' || n, 1, 'release',
       now() - interval '1 hour', 'Europe/Oslo', now() - interval '1 hour'
  from generate_series(1, 2) n;
insert into revisions (release_id, revision, kind, content, received_at)
select id, 1, 'release', jsonb_build_object('languages', jsonb_build_object('nb', jsonb_build_object(
         'title', external_id, 'lead', 'Kort.', 'bodyHtml', '<p>Mer.</p>')),
         'contacts', '[]'::jsonb, 'images', '[]'::jsonb, 'documents', '[]'::jsonb, 'links', '[]'::jsonb), created_at
  from releases;
insert into mailings (newsroom_id, kind, release_id, revision, state, accepted_at, due_at, started_at, cut_from, cut_after,
                      cut_wrapped, next_chunk)
values ('00000000-0000-7000-8000-000000000001', 'release', '00000000-0000-7000-8000-000000000101', 1, 'sending',
        now() - interval '1 hour', now() - interval '1 hour', now() - interval '1 hour', 0, 0, true, 2),
       ('00000000-0000-7000-8000-000000000001', 'release', '00000000-0000-7000-8000-000000000102', 1, 'accepted',
        now() - interval '1 minute', now() - interval '1 minute', null, null, null, false, 0);
insert into renderings (mailing_id, language, subject, body, cuts) values (1, 'nb', 'sak-1', $1, $2);
insert into chunks (mailing_id, n, after_id, upto_id, size, rank, state, next_at, fence, sent)
values (1, 0, 0, 2, 2, 0, 'done', now(), 1, 2), (1, 1, 2, 6, 3, 1, 'cut', now(), 0, 0);
insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at)
select 1, n, 'sent', 1, 1, now() from generate_series(1, 2) n;`

/** Statements of several commands take no values: these are written as SQL writes them. */
const seedWith = (body: Buffer, cuts: unknown) =>
  seed.replace('$1', `'\\x${body.toString('hex')}'`).replace('$2', pg.escapeLiteral(JSON.stringify(cuts)))

/** Every row of the tables seeded, in the columns the first version had. */
async function everything(): Promise<string> {
  const { rows } = await database.pool.query<{ all: string }>(
    `select jsonb_build_object(
       'newsrooms', (select jsonb_agg(jsonb_build_array(id, slug, languages, created_at) order by id) from newsrooms),
       'readers', (select jsonb_agg(jsonb_build_array(id, address, address_key, address_hash, created_at) order by id) from subscribers),
       'subscriptions', (select jsonb_agg(jsonb_build_array(id, subscriber_id, state, language, frequency, requested_at,
                                                            activated_at, ended_at, ended_reason) order by id) from subscriptions),
       'consent', (select jsonb_agg(jsonb_build_array(id, subscription_id, act, at, door, wording) order by id) from consent_log),
       'suppressions', (select jsonb_agg(jsonb_build_array(address_hash, reason, at)) from suppressions),
       'revisions', (select jsonb_agg(jsonb_build_array(release_id, revision, content, received_at) order by release_id) from revisions),
       'mailings', (select jsonb_agg(jsonb_build_array(id, state, paused, accepted_at, due_at, started_at, cut_after,
                                                       cut_wrapped, next_chunk, done_at) order by id) from mailings),
       'renderings', (select jsonb_agg(jsonb_build_array(mailing_id, language, subject, body, cuts)) from renderings),
       'chunks', (select jsonb_agg(jsonb_build_array(mailing_id, n, after_id, upto_id, state, fence, sent) order by n) from chunks),
       'deliveries', (select jsonb_agg(jsonb_build_array(mailing_id, subscription_id, state, attempt, at)
                                       order by subscription_id) from deliveries))::text as all`,
  )
  return rows[0]!.all
}

describe.each([
  { version: 'the first version', count: 1 },
  { version: 'the version before this one', count: all - 1 },
])('an installation of $version', ({ count }) => {
  test('is brought up to date in the middle of a mailing with all it had, and each reader has each letter once', async () => {
    await asOfMigration(count)
    const before = (await database.pool.query('select name from migrations')).rowCount
    expect(before).toBe(count)
    const letter = 'Subject: sak-1\r\n\r\nKort.\r\n'
    await database.pool.query(seedWith(Buffer.from(letter), { lengths: [letter.length], slots: [] }))
    const had = await everything()

    await Promise.all([1, 2].map(() => migrate(database.url, { info: () => {}, warn: () => {} })))
    expect((await database.pool.query('select name from migrations')).rowCount).toBe(all)
    expect(await everything()).toBe(had)

    const engine = openEngine(database.pool, inbox.url)
    for (let round = 0; round < 3; round += 1) await engine.reconcileAndSend()
    await engine.close()
    const told = inbox.received.map(({ to, raw }) => `${to.split('@')[0]} ${/^Subject: (.*?)\r?$/m.exec(raw)?.[1]}`)
    expect(told.toSorted()).toEqual(
      // The first two have the first release; the fifth is suppressed, the sixth has left.
      ['r1 sak-2', 'r2 sak-2', 'r3 sak-1', 'r3 sak-2', 'r4 sak-1', 'r4 sak-2'],
    )
    const { rows } = await database.pool.query('select id, state from mailings order by id')
    expect(rows.map(({ state }) => state)).toEqual(['done', 'done'])
  })
})

test('while a backup reads the tables, nobody else stands still behind the change, which is made when it has ended', async () => {
  await asOfMigration(1)
  const warned: string[] = []
  let migrating: Promise<void> | undefined
  let migrated = false
  await inTransaction(database.pool, async (tx) => {
    await tx.query('lock table mailings in access share mode')
    migrating = migrate(database.url, {
      info: () => {},
      warn: (_: object, said?: string) => void warned.push(said ?? ''),
    })
    migrating.then(() => {
      migrated = true
    })
    await until('the change waits', async () => {
      const { rowCount } = await database.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === 1
    })
    // Behind the change, in front of the backup's end.
    await database.pool.query('select count(*) from mailings')
    expect(migrated).toBe(false)
    await until('an operator is told', async () => warned.some((said) => said.includes('trying again')))
  })
  await migrating
  expect((await database.pool.query('select name from migrations')).rowCount).toBe(all)
})
