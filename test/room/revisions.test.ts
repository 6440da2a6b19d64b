import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { cancelMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { givenSecret, releaseBody, signedHeaders } from '../given/webhook.ts'
import { openTestApi, type TestApi } from '../rig/api.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine, sendWholeChunk } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let api: TestApi
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let secret: string
let id = 0

beforeAll(async () => {
  database = await openTestDatabase()
  api = await openTestApi(database.pool)
})
afterAll(async () => {
  await api.app.close()
  await database.close()
})
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 20 })
  newsroom = await givenNewsroom(database.pool)
  secret = await givenSecret(database.pool, newsroom)
  return async () => {
    await engine.close()
    await inbox.close()
  }
})

async function tell(type: string, data: object, webhookId = `msg_${++id}`) {
  const payload = JSON.stringify({ type, timestamp: new Date().toISOString(), data })
  const url = `/webhooks/newsrooms/${newsroom.slug}/releases`
  return api.app.inject({ method: 'POST', url, headers: signedHeaders(secret, webhookId, payload), payload })
}

const text = (title: string) => ({ languages: { nb: { title, lead: 'Kort.', bodyHtml: '<p>Mer.</p>' } } })
const publish = (title: string, more: object = {}) =>
  tell('release.published', releaseBody({ ...text(title), ...more }).data)
const correct = (title: string, more: object = {}) =>
  tell('release.corrected', releaseBody({ ...text(title), ...more }).data)
const withdraw = () => tell('release.withdrawn', { externalId: '2024-031' })
const mailingOf = (answer: { json(): { mailing: { id: string } } }) => answer.json().mailing.id as MailingId
const subjects = () => inbox.received.map(({ raw }) => /^Subject: (.*)$/m.exec(raw)?.[1] ?? '')

async function withdrawals(): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(*)::int as n from mailings where kind = 'withdrawal'`,
  )
  return rows[0]!.n
}

async function stateOf(mailing: MailingId): Promise<string> {
  const { rows } = await database.pool.query<{ state: string }>('select state from mailings where id = $1', [mailing])
  return rows[0]!.state
}

/** Sends the first chunk only, and leaves the rest cut and unsent. */
async function sendOneChunk(mailing: MailingId): Promise<void> {
  await cutAudience(engine.fanOut, mailing)
  const [first] = engine.woken
  engine.woken.length = 0
  await sendWholeChunk(engine.mailer, first!.payload as Payloads['mail-bulk'])
  engine.woken.length = 0
}

describe('a correction', () => {
  test('replaces what is unsent and reaches everybody, those who had the old text too', async () => {
    await givenReaders(database.pool, newsroom, 60)
    const old = mailingOf(await publish('Gammel tekst'))
    await sendOneChunk(old)
    const hadIt = inbox.received.map(({ to }) => to)
    expect(hadIt.length).toBeGreaterThan(0)
    expect(hadIt.length).toBeLessThan(60)

    const answer = await correct('Rett tekst')
    expect(answer.json()).toMatchObject({ revision: 2, mailing: { state: 'accepted' } })
    expect(await stateOf(old)).toBe('superseded')
    inbox.received.length = 0
    await engine.reconcileAndSend()
    await engine.reconcileAndSend()

    expect(new Set(inbox.received.map(({ to }) => to)).size).toBe(60)
    expect(inbox.received).toHaveLength(60)
    expect(subjects().every((subject) => subject.includes('Rett tekst') && subject !== 'Rett tekst')).toBe(true)
    const { rows } = await database.pool.query(
      `select count(*)::int as open from chunks where mailing_id = $1 and state <> 'done'`,
      [old],
    )
    expect(rows).toEqual([{ open: 0 }])
  })

  test('before anybody had a letter is simply the release', async () => {
    await givenReaders(database.pool, newsroom, 3)
    await publish('Gammel tekst', { publishedAt: '2099-01-01T10:00:00+01:00' })
    const answer = await correct('Rett tekst', { publishedAt: '2024-01-01T10:00:00+01:00' })
    await engine.send(mailingOf(answer))
    expect(subjects()).toEqual(['Rett tekst', 'Rett tekst', 'Rett tekst'])
  })

  test('that comes in the moment of an embargo’s hour hides nothing that is shown already', async () => {
    const hour = new Date(Date.now() + 2_000)
    await publish('Gammel tekst', { publishedAt: hour.toISOString() })
    const holder = await database.pool.connect()
    await holder.query('begin')
    await holder.query('select from releases for update')
    const answer = correct('Rett tekst', { publishedAt: '2099-01-01T10:00:00+01:00' })
    await until('it waits for the release', async () => {
      const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return (await database.pool.query(waits)).rowCount === 1
    })
    await until('the hour has come', () => Date.now() > hour.getTime())
    await holder.query('rollback')
    holder.release()
    expect((await answer).json()).toMatchObject({ revision: 2 })
    const { rows } = await database.pool.query('select published_at from releases')
    expect(rows).toEqual([{ published_at: hour }])
  })

  test('sent again owes nothing twice, and of an unknown release is refused', async () => {
    await publish('Gammel tekst')
    const first = await correct('Rett tekst')
    const again = await correct('Rett tekst')
    expect(again.json().mailing.id).toBe(first.json().mailing.id)
    expect((await correct('Ukjent', { externalId: 'nobody-knows' })).statusCode).toBe(404)
  })
})

describe('a withdrawal', () => {
  test('stops what is unsent and tells those who have the release, and nobody else', async () => {
    await givenReaders(database.pool, newsroom, 60)
    const old = mailingOf(await publish('Trukket tekst'))
    await sendOneChunk(old)
    const hadIt = inbox.received.map(({ to }) => to).sort()
    inbox.received.length = 0

    const answer = await withdraw()
    expect(answer.statusCode).toBe(202)
    await engine.reconcileAndSend()
    await engine.reconcileAndSend()
    expect(inbox.received.map(({ to }) => to).sort()).toEqual(hadIt)
    expect(inbox.received.some(({ raw }) => raw.includes('Mer.'))).toBe(false)
    expect(await stateOf(mailingOf(answer))).toBe('done')
  })

  test('under embargo is told to nobody', async () => {
    await givenReaders(database.pool, newsroom, 3)
    await publish('Trukket tekst', { publishedAt: '2099-01-01T10:00:00+01:00' })
    const answer = await withdraw()
    await engine.send(mailingOf(answer))
    await engine.reconcileAndSend()
    expect(inbox.received).toEqual([])
    expect(await stateOf(mailingOf(answer))).toBe('done')
  })

  test('is final', async () => {
    await publish('Trukket tekst')
    await withdraw()
    expect((await withdraw()).statusCode).toBe(410)
    expect((await correct('Rett tekst')).statusCode).toBe(410)
  })

  test('answered while letters are leaving lets none of the old text begin afterwards', async () => {
    await givenReaders(database.pool, newsroom, 200)
    const old = mailingOf(await publish('Trukket tekst'))
    await cutAudience(engine.fanOut, old)
    let begun = 0
    let answeredAt = Number.POSITIVE_INFINITY
    let answering: Promise<void> | null = null
    inbox.onMailFrom = async () => {
      const number = ++begun
      // A host slow enough that the answer comes while letters are still owed.
      await new Promise((resolve) => setTimeout(resolve, 60))
      if (number === 5)
        answering = withdraw().then(() => {
          answeredAt = performance.now()
        })
    }
    await engine.send(old)
    await expect.poll(() => answeredAt, { timeout: 10_000 }).toBeLessThan(Number.POSITIVE_INFINITY)
    await answering
    inbox.onMailFrom = async () => {}
    await engine.reconcileAndSend()
    const late = inbox.received.filter(({ raw, mailFromAt }) => raw.includes('Mer.') && mailFromAt > answeredAt)
    expect(late).toEqual([])
    expect(inbox.received.filter(({ raw }) => raw.includes('Mer.')).length).toBeLessThan(200)
  })

  test.each([
    [
      'superseded',
      'is answered once no letter with the old text is in hand; those of another newsroom are nothing to it',
    ],
    ['cancelled', 'is answered no sooner where an operator has cancelled what it takes back a moment before'],
  ])('(%s) %s', async (ended) => {
    await givenReaders(database.pool, newsroom, 5)
    const old = mailingOf(await publish('Trukket tekst'))
    await cutAudience(engine.fanOut, old)
    const other = await givenNewsroom(database.pool)
    await givenReaders(database.pool, other, 5)
    const elsewhere = await givenMailing(database.pool, other)
    await cutAudience(engine.fanOut, elsewhere.mailingId)
    for (const mailingId of [old, elsewhere.mailingId]) {
      const lease = await leaseChunk(database.pool, { mailingId, n: 0 }, null)
      await writeDeliveries(database.pool, lease!.chunk, { most: 10, window: 172_800 })
    }
    await database.pool.query(`update deliveries set until = now() + interval '1 hour' where state = 'claimed'`)

    if (ended === 'cancelled') await cancelMailing(database.pool, old)

    let answer: Awaited<ReturnType<typeof withdraw>> | null = null
    const answering = withdraw().then((came) => {
      answer = came
    })
    await expect.poll(withdrawals).toBe(1)
    expect(await stateOf(old)).toBe(ended)
    // Any other answer comes meanwhile.
    expect((await publish('En annen', { externalId: 'another' })).statusCode).toBe(202)
    expect(answer).toBeNull()

    await database.pool.query(`update deliveries set state = 'withdrawn', until = null where mailing_id = $1`, [old])
    await answering
    expect(answer!.statusCode).toBe(202)
  })
})
