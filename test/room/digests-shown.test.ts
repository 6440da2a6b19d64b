import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishRelease, type ToldRelease } from '../../services/api/publisher/publish-release.ts'
import { correctRelease } from '../../services/api/publisher/revise-release.ts'
import { settleDoubts } from '../../shared/delivery/settle-doubt.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { givenDigestReaders, noonsFrom } from '../given/digests.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { type Desk, openDesk } from '../rig/ops-desk.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { type } from './cli-rig.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let desk: Desk
let cookie: string
let newsroom: Newsroom
let digest: MailingId

/** A daily digest of two releases, sent to one reader. */
beforeAll(async () => {
  database = await openTestDatabase()
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url)
  desk = await openDesk(database.pool)
  cookie = await desk.login()
  newsroom = await givenNewsroom(database.pool, { slug: 'havna', languages: ['nb'] })
  await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
  await publish('a', 'Brygga åpner')
  await publish('b', 'Ferga går')
  await engine.reconcileAndSend()
  await engine.cutDigestsAndSend(noonsFrom(new Date())())
  const { rows } = await database.pool.query<{ id: MailingId }>(`select id from mailings where kind = 'digest'`)
  digest = rows[0]!.id
})
afterAll(async () => {
  await engine.close()
  await inbox.close()
  await database.close()
})

const toldAs = (externalId: string, title: string) =>
  ({
    publishedAt: new Date(externalId === 'a' ? '2024-03-14T09:00:00Z' : '2024-03-14T08:00:00Z'),
    data: {
      externalId,
      zone: 'Europe/Oslo',
      topics: [],
      languages: { nb: { title, lead: 'Kort.', bodyHtml: '<p>Mer.</p>' } },
      ...{ contacts: [], images: [], documents: [], links: [] },
    },
  }) as unknown as ToldRelease
const publish = (externalId: string, title: string) =>
  inTransaction(database.pool, (tx) => publishRelease(tx, newsroom, toldAs(externalId, title), new Date()))

const run = (line: string) => type(line.split(' '), { env: { DATABASE_URL: database.url } })
const read = async (url: string) => {
  const { body } = await desk.app.inject({ url, headers: { cookie, accept: 'text/html' } })
  return body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
}

test('the terminal tells a digest by its subject, its kind and how many releases it gathers', async () => {
  const { out } = await run('mailing list --kind digest')
  expect(out).toMatch(/havna +done +1 +1 +0 +0 +Digest: Brygga åpner \(og 1 til\)/)
  expect(out).not.toContain('Ferga går')
  expect((await run(`mailing show ${digest}`)).out).toMatch(/Kind +daily digest, 2 releases/)
  expect((await run('mailing list --kind digest --json')).json()).toMatchObject([
    { id: digest, kind: 'digest', digest: { releases: 2, frequency: 'daily' } },
  ])
  expect(await run('mailing list --kind letter')).toMatchObject({ exit: 2, err: expect.stringContaining('withdrawal') })
})

test('the desk can be narrowed to digests, and shows what one tells', async () => {
  const list = await read('/?kind=digest')
  expect(list).toContain('Brygga åpner (og 1 til)')
  expect(list).toContain('Daily digest of 2 releases')
  expect(list).not.toMatch(/Ferga går/)
  const page = await read(`/mailings/${digest}`)
  expect(page).toMatch(/What it tells Brygga åpner Revision 1 Told for the first time. Ferga går Revision 1/)
})

test('a digest with a text amended since is not sent again where it was in doubt', async () => {
  const doubt = () =>
    database.pool.query(
      `with d as (update deliveries set state = 'in_doubt' where mailing_id = $1)
       update chunks set in_doubt = 1, sent = 0 where mailing_id = $1`,
      [digest],
    )
  await doubt()
  expect(await settleDoubts(database.pool, digest, 'again')).toEqual({ letters: 1, left: 0 })
  await engine.reconcileAndSend()
  await doubt()
  await inTransaction(database.pool, (tx) =>
    correctRelease(tx, newsroom, toldAs('b', 'Ferga går ikke'), () => new Date()),
  )
  expect(await settleDoubts(database.pool, digest, 'again')).toBe('over')
  expect(await settleDoubts(database.pool, digest, 'sent')).toEqual({ letters: 1, left: 0 })
})

test('digests that should be dealt and are not are told on the front page, with since when', async () => {
  const front = () => read('/')
  expect(await front()).not.toContain('Digests whose hour has come')
  await database.pool.query(
    `insert into digest_cuts (newsroom_id, frequency, day, hour_at, head, numbered_at)
     values ($1, 'weekly', '2020-01-06', now() - interval '40 minutes 30 seconds', 0, now())`,
    [newsroom.id],
  )
  expect(await front()).toMatch(/Digests whose hour has come: of 1 newsroom, the oldest for 40 min/)
  await database.pool.query('update digest_cuts set done_at = now()')
  expect(await front()).not.toContain('Digests whose hour has come')
  // The workers have not even begun.
  await database.pool.query(
    `update newsrooms set created_at = now() - interval '30 days',
            digest_weekday = extract(isodow from now() - interval '2 days')`,
  )
  await database.pool.query(`delete from digest_cuts where frequency = 'weekly'`)
  expect(await front()).toContain('Digests whose hour has come')
})
