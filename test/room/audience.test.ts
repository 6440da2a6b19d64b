import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { insertMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId, MailingKind } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { addRevision } from '../../shared/release/release.sql.ts'
import type { Release } from '../../shared/release/release.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom

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
beforeEach(async () => {
  inbox.received.length = 0
  newsroom = await givenNewsroom(database.pool)
})

const hour = 3_600_000
const soon = (ms: number) => new Date(Date.now() + ms)

type Wishes = { topics?: string[]; frequency?: string; pausedUntil?: Date }

/** Readers named after what they wish, in a newsroom of this test's own. */
async function givenWishes(wishes: Readonly<Record<string, Wishes>>): Promise<void> {
  await givenReaders(
    database.pool,
    newsroom,
    Object.keys(wishes).map((name) => `${name}@readers.example`),
  )
  for (const [name, one] of Object.entries(wishes)) await wish(name, one)
}

const wish = (name: string, { topics = [], frequency = 'immediate', pausedUntil }: Wishes) =>
  database.pool.query(
    `update subscriptions s set topics = $3, frequency = $4, paused_until = $5
       from subscribers b where b.id = s.subscriber_id and s.newsroom_id = $1 and b.address = $2`,
    [newsroom.id, `${name}@readers.example`, topics, frequency, pausedUntil ?? null],
  )

/** Whom letters have reached since the last time this was asked. */
function reached(): string[] {
  const names = inbox.received.map(({ to }) => to.split('@')[0]!).sort()
  inbox.received.length = 0
  return names
}

async function revise(
  release: Release,
  kind: MailingKind & Release['kind'],
  topics = release.topics,
): Promise<MailingId> {
  const revision = release.revision + 1
  await addRevision(database.pool, { ...release, kind, topics, revision }, new Date())
  const draft = { newsroomId: newsroom.id, kind, releaseId: release.id, revision, dueAt: 'now' } as const
  return (await insertMailing(database.pool, draft)).id
}

describe('a release', () => {
  test('goes to those who wish for one of its topics or for all, and not to others', async () => {
    await givenWishes({ all: {}, culture: { topics: ['culture'] }, both: { topics: ['roads', 'culture'] } })
    await givenWishes({ roads: { topics: ['roads'] } })
    await engine.send((await givenMailing(database.pool, newsroom, { topics: ['culture', 'sport'] })).mailingId)
    expect(reached()).toEqual(['all', 'both', 'culture'])
  })

  test('without a topic concerns everybody', async () => {
    await givenWishes({ all: {}, roads: { topics: ['roads'] } })
    await engine.send((await givenMailing(database.pool, newsroom)).mailingId)
    expect(reached()).toEqual(['all', 'roads'])
  })

  test('is not for those who read digests', async () => {
    await givenWishes({ now: {}, daily: { frequency: 'daily' }, weekly: { frequency: 'weekly' } })
    await engine.send((await givenMailing(database.pool, newsroom)).mailingId)
    expect(reached()).toEqual(['now'])
  })

  test('due during a pause is not made up for; due when it ends, it is owed', async () => {
    await givenWishes({ away: { pausedUntil: soon(2 * hour) }, back: { pausedUntil: soon(-hour) }, always: {} })
    await engine.send((await givenMailing(database.pool, newsroom)).mailingId)
    expect(reached()).toEqual(['always', 'back'])

    // What is dated back begins when it is accepted.
    const long = new Date('2024-03-14T09:00:00Z')
    await engine.send((await givenMailing(database.pool, newsroom, { publishedAt: long })).mailingId)
    expect(reached()).toEqual(['always', 'back'])

    // Under embargo until after the pause of `away`, who is told to be back at that very instant.
    const due = soon(2 * hour)
    await wish('away', { pausedUntil: due })
    const { mailingId } = await givenMailing(database.pool, newsroom, { publishedAt: due })
    await database.pool.query(`update mailings set state = 'accepted' where id = $1`, [mailingId])
    await engine.send(mailingId)
    expect(reached()).toEqual(['always', 'away', 'back'])
  })

  test('stays away from those who change their wishes after the audience was cut', async () => {
    await givenWishes({ daily: {}, other: {}, away: {}, same: {} })
    const { mailingId } = await givenMailing(database.pool, newsroom, { topics: ['culture'] })
    await cutAudience(engine.fanOut, mailingId)
    await wish('daily', { frequency: 'daily' })
    await wish('other', { topics: ['roads'] })
    await wish('away', { pausedUntil: soon(hour) })
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['same'])
  })
})

describe('a correction', () => {
  test('goes also to who has the text it corrects and is on pause, and to nobody else who is', async () => {
    await givenWishes({ had: {}, never: { pausedUntil: soon(hour) }, same: {} })
    const { release, mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(reached()).toEqual(['had', 'same'])
    await wish('had', { pausedUntil: soon(hour) })
    await engine.send(await revise(release, 'correction'))
    expect(reached()).toEqual(['had', 'same'])
  })
})

describe('a withdrawal', () => {
  test('goes to all who had the release, whatever they wish now, and to nobody else', async () => {
    await givenWishes({ daily: {}, other: {}, away: {}, same: {}, never: { topics: ['roads'] } })
    const { release, mailingId } = await givenMailing(database.pool, newsroom, { topics: ['culture'] })
    await engine.send(mailingId)
    expect(reached()).toEqual(['away', 'daily', 'other', 'same'])
    await wish('daily', { frequency: 'daily' })
    await wish('other', { topics: ['roads'] })
    await wish('away', { pausedUntil: soon(hour) })
    await wish('never', {})
    await engine.send(await revise(release, 'withdrawal'))
    expect(reached()).toEqual(['away', 'daily', 'other', 'same'])
  })
})

describe('a correction', () => {
  test('that changes topics reaches those it concerns now and those who have the text it corrects', async () => {
    await givenWishes({ culture: { topics: ['culture'] }, roads: { topics: ['roads'] }, sport: { topics: ['sport'] } })
    const { release, mailingId } = await givenMailing(database.pool, newsroom, { topics: ['culture'] })
    await engine.send(mailingId)
    expect(reached()).toEqual(['culture'])
    await engine.send(await revise(release, 'correction', ['roads']))
    expect(reached()).toEqual(['culture', 'roads'])
  })
})
