import { expect, test } from 'vitest'
import { listContents, listReplacingContents } from '../../shared/digest/digest-contents.sql.ts'
import type { DigestCut } from '../../shared/digest/digest-cut.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase } from '../rig/database.ts'

test('one reader back from a pause of a year holds up nobody who is dealt a digest beside them', async ({
  onTestFinished,
}) => {
  const { pool, close } = await openTestDatabase()
  onTestFinished(close)
  const newsroom = await givenNewsroom(pool)
  const readers = await givenReaders(pool, newsroom, 2_000)
  const releases = 900
  await pool.query(
    `insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
     select gen_random_uuid(), $1, n::text, 1, 'release', now() - n * interval '9 hours', 'Europe/Oslo', now()
       from generate_series(1, $2) n`,
    [newsroom.id, releases],
  )
  await pool.query(
    `insert into mailings (newsroom_id, kind, release_id, revision, state, accepted_at, due_at, done_at)
     select newsroom_id, 'release', id, 1, 'done', published_at, published_at, now() from releases order by published_at`,
  )
  await pool.query(
    `insert into digest_line (newsroom_id, n, mailing_id) select newsroom_id, row_number() over (order by id), id from mailings`,
  )
  await pool.query(
    `update subscriptions
        set frequency = 'daily', activated_at = now() - interval '2 years',
            dealt = case when id = (select min(id) from subscriptions) then 0 else $1 end`,
    [releases - 3],
  )
  const cut = { newsroomId: newsroom.id, head: String(releases) } as DigestCut
  const ids = readers.map(({ subscriptionId }) => subscriptionId)
  // Each reader, text and event looked at with each other are 1.6 thousand million: the pool's 30 seconds are not enough for that.
  const contents = await listContents(pool, cut, ids)
  expect(contents.map(({ items, readers: whom }) => [items.length, whom.length]).toSorted()).toEqual([
    [3, 1_999],
    [900, 1],
  ])
})

test('a digest of thirty releases that hundreds of other contents tell, too, is replaced for a thousand readers', async ({
  onTestFinished,
}) => {
  const { pool, close } = await openTestDatabase()
  onTestFinished(close)
  const newsroom = await givenNewsroom(pool)
  const readers = await givenReaders(pool, newsroom, 1_000)
  await pool.query(
    `insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
     select gen_random_uuid(), $1, n::text, 1, 'release', now() - n * interval '1 hour', 'Europe/Oslo', now()
       from generate_series(1, 30) n`,
    [newsroom.id],
  )
  await pool.query(
    `insert into mailings (newsroom_id, kind, release_id, revision, state, accepted_at, due_at, done_at)
     select newsroom_id, 'release', id, 1, 'done', published_at, published_at, now() from releases`,
  )
  const { rows: digests } = await pool.query<{ id: MailingId }>(
    `insert into mailings (newsroom_id, kind, state, accepted_at, due_at)
     select $1, 'digest', 'superseded', now(), now() from generate_series(1, 1000) returning id`,
    [newsroom.id],
  )
  await pool.query(
    `insert into digest_items (mailing_id, place, release_id, revision, telling)
     select m.id, row_number() over (partition by m.id), r.id, 1, 'new'
       from mailings m cross join releases r where m.kind = 'digest'`,
  )
  await pool.query(`update subscriptions set frequency = 'weekly'`)
  await pool.query(
    `insert into deliveries (mailing_id, subscription_id, state, attempt, fence, at)
     select $1, id, 'withdrawn', 0, 0, now() from subscriptions`,
    [digests[0]!.id],
  )
  const ids = readers.map(({ subscriptionId }) => subscriptionId)
  // Each reader with each release and each digest that tells it are 30 million looks.
  const contents = await listReplacingContents(pool, digests[0]!.id, ids)
  expect(contents.map(({ items, readers: whom }) => [items.length, whom.length])).toEqual([[30, 1_000]])
})
