import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { changePaces, readPaces } from '../../shared/delivery/pace.sql.ts'
import type { Pace } from '../../shared/delivery/pace.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { openDomainWatch } from '../../workers/mailer/domain-watch.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenPace } from '../given/pace.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { signal } from '../rig/hand-over.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'
import { standingStill } from '../rig/watch-statements.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 20, domainsMayStand: true })
  newsroom = await givenNewsroom(database.pool)
  return async () => {
    await engine.close()
    await inbox.close()
  }
})

const readersAt = (domain: string, count: number) => Array.from({ length: count }, (_, n) => `r${n}@${domain}`)
const arrivedAt = (domain: string) => inbox.received.filter(({ to }) => to.endsWith(`@${domain}`)).length

async function makeDue(mailing: MailingId): Promise<void> {
  await database.pool.query(`update deliveries set until = now() where mailing_id = $1 and state = 'deferred'`, [
    mailing,
  ])
  await database.pool.query(`update chunks set next_at = now() where mailing_id = $1`, [mailing])
}

/** As workers do: no job waits for a letter that the host keeps. */
async function sendWoken(): Promise<void> {
  for (let next = engine.woken.shift(); next; next = engine.woken.shift())
    if (next.queue === 'mail-bulk') await sendChunk(engine.mailer, next.payload)
  await reconcile({
    pool: database.pool,
    wake: engine.mailer.wake,
    now: () => new Date(),
    heardUntil: async () => null,
  })
}

describe('a receiving domain', () => {
  test('whose provider refuses us is held for everybody, while the others get their letters', async () => {
    const strict = readersAt('strict.example', 30)
    await givenReaders(database.pool, newsroom, [...strict, ...readersAt('fine.example', 60)])
    for (const address of strict) inbox.refuse(address, { code: 421, text: '4.7.0 Too many messages, slow down' })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    await engine.mailer.watch.tell()
    expect(arrivedAt('fine.example')).toBe(60)

    const { rows } = await database.pool.query(`select domain, reason, held_until > now() as held, detail from paces`)
    expect(rows).toEqual([
      { domain: 'strict.example', reason: 'blocked', held: true, detail: '421 4.7.0 Too many messages, slow down' },
    ])
    const tried = await countAttempts(mailingId)
    await makeDue(mailingId)
    await engine.reconcileAndSend()
    expect(await countAttempts(mailingId)).toBe(tried)

    // The hold is over and the provider content: at a letter a second, the first ones go out, none is lost.
    for (const address of strict) inbox.refuse(address, { code: 421, text: '', times: 0 })
    await database.pool.query(`update paces set held_until = null, rate = 100, filled_at = now() - interval '1 second'`)
    await makeDue(mailingId)
    await engine.reconcileAndSend()
    await makeDue(mailingId)
    await engine.reconcileAndSend()
    expect(arrivedAt('strict.example')).toBe(30)
    expect(arrivedAt('fine.example')).toBe(60)
  })

  test('that has a pace gets no more than its bucket holds, spread over the seconds to come', async () => {
    await givenReaders(database.pool, newsroom, [...readersAt('slow.example', 30), ...readersAt('fine.example', 50)])
    const now = Date.now()
    await givenPace(database.pool, 'slow.example', {
      rate: 2,
      heldUntil: 0,
      holds: 0,
      reason: 'slow',
      detail: '',
      changedAt: now,
    })
    await database.pool.query(`update paces set tokens = 2`)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(arrivedAt('fine.example')).toBe(50)
    expect(arrivedAt('slow.example')).toBeLessThanOrEqual(6)

    const { rows } = await database.pool.query<{ attempt: number; waiting: number; last: number }>(
      `select max(attempt)::int as attempt, count(*)::int as waiting, extract(epoch from max(until) - now())::float8 as last
         from deliveries where mailing_id = $1 and state = 'deferred'`,
      [mailingId],
    )
    expect(rows[0]!.waiting).toBe(30 - arrivedAt('slow.example'))
    // Being put off is no attempt, and the last of a chunk waits for those before it.
    expect(rows[0]!.attempt).toBe(0)
    expect(rows[0]!.last).toBeGreaterThan(1)
  })

  test('keeps nobody waiting whose process stood still while it kept the paces', async () => {
    const pace = { rate: 100, heldUntil: 0, holds: 0, reason: 'slow', detail: '', changedAt: Date.now() } as const
    await givenPace(database.pool, 'slow.example', pace)
    await givenReaders(database.pool, newsroom, [...readersAt('slow.example', 3), ...readersAt('fine.example', 3)])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    // Between reading and writing, for longer than anybody waits.
    const frozen = standingStill(database.pool, /insert into paces/)
    const watch = openDomainWatch({ pool: frozen.pool, log: engine.mailer.log, now: () => new Date(), connections: 4 })
    const told = watch.of('a@slow.example')
    told.begin(performance.now())
    told.end(performance.now(), { ms: 5, blocked: '451 4.7.1 Too many connections' })
    void watch.tell()
    await until('it would write', frozen.stands)
    await engine.send(mailingId)
    expect(arrivedAt('fine.example')).toBe(3)
  })

  test('keeps no claim waiting behind one that waits for a reader’s row', async () => {
    const pace = { rate: 100, heldUntil: 0, holds: 0, reason: 'slow', detail: '', changedAt: Date.now() } as const
    await givenPace(database.pool, 'slow.example', pace)
    const [reader] = await givenReaders(database.pool, newsroom, ['one@fine.example'])
    const first = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, first.mailingId)
    const jobs = engine.woken.splice(0).map(({ payload }) => payload as Payloads['mail-bulk'])
    const other = await givenNewsroom(database.pool)
    await givenReaders(database.pool, other, ['two@fine.example'])
    const second = await givenMailing(database.pool, other)

    const holder = await database.pool.connect()
    await holder.query('begin')
    await holder.query('select from subscriptions where id = $1 for update', [reader!.subscriptionId])
    const waiting = Promise.all(jobs.map((job) => sendChunk(engine.mailer, job)))
    const waits = `select from pg_locks where not granted and locktype in ('tuple', 'transactionid')`
    await until('a claim waits for the row', async () => ((await database.pool.query(waits)).rowCount ?? 0) > 0)
    await engine.send(second.mailingId)
    expect(inbox.received.map(({ to }) => to)).toEqual(['two@fine.example'])

    await holder.query('commit')
    holder.release()
    await waiting
    await engine.mailer.lingering.ended()
    expect(inbox.received.map(({ to }) => to)).toEqual(['two@fine.example', 'one@fine.example'])
  })

  test('of which two processes tell at once has the pace of one, and then of both', async () => {
    const now = Date.now()
    const pace = {
      rate: 8,
      heldUntil: 0,
      holds: 0,
      reason: 'slow',
      detail: 'A letter takes 250 ms.',
      changedAt: now,
    } as const
    await givenPace(database.pool, 'slow.example', pace)
    const before = (await readPaces(database.pool, ['slow.example'])).get('slow.example')!
    expect(before).toMatchObject(pace)
    const slower = { ...pace, rate: 4, changedAt: now + 1 }
    const held = { ...pace, reason: 'blocked' as const, rate: 1, holds: 1, heldUntil: now + 60_000, changedAt: now + 2 }
    const change = (after: Pace | null) => ({ domain: 'slow.example', before, after })
    expect([...(await changePaces(database.pool, [change(slower)]))]).toEqual(['slow.example'])
    // What it was made of is not there any more.
    expect([...(await changePaces(database.pool, [change(held)]))]).toEqual([])
    expect([...(await changePaces(database.pool, [change(null)]))]).toEqual([])
    const since = (await readPaces(database.pool, ['slow.example'])).get('slow.example')!
    expect(since).toMatchObject(slower)
    const again = { domain: 'slow.example', before: since, after: held }
    expect([...(await changePaces(database.pool, [again]))]).toEqual(['slow.example'])
    // A domain that had none, told of by both: one of them has it.
    const fresh = { domain: 'new.example', before: null, after: slower }
    const both = await Promise.all([changePaces(database.pool, [fresh]), changePaces(database.pool, [fresh])])
    expect(both.map(({ size }) => size).toSorted()).toEqual([0, 1])
  })

  test('that has a pace has one line for all its letters, whatever chunks they are in', async () => {
    await givenReaders(database.pool, newsroom, readersAt('slow.example', 50))
    const pace = { rate: 10, heldUntil: 0, holds: 0, reason: 'slow', detail: '', changedAt: Date.now() } as const
    await givenPace(database.pool, 'slow.example', pace)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    const { rows } = await database.pool.query<{ until: Date }>(
      `select until from deliveries where mailing_id = $1 and state = 'deferred' order by until`,
      [mailingId],
    )
    // Chunks of twenty: each for itself would give its turns in the same second or two as the others.
    expect(rows.length).toBeGreaterThan(25)
    const span = rows.at(-1)!.until.getTime() - rows[0]!.until.getTime()
    expect(span).toBeGreaterThan(1_000 * (rows.length / 10) * 0.8)
    expect(new Set(rows.map(({ until }) => until.getTime())).size).toBeGreaterThan(rows.length * 0.9)
  })

  test('that has a pace costs a chunk one visit when it is written, and the late among its letters come again together', async () => {
    await givenReaders(database.pool, newsroom, [...readersAt('slow.example', 19), 'kari@fine.example'])
    const pace = { rate: 1, heldUntil: 0, holds: 0, reason: 'slow', detail: '', changedAt: Date.now() } as const
    await givenPace(database.pool, 'slow.example', pace)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(inbox.received.map(({ to }) => to)).toEqual(['kari@fine.example'])
    // The walk over the readers ends where it began, in the middle of a chunk: there may be two.
    const { rows: chunks } = await database.pool.query<{
      fence: number
      deferred: number
      next: number
      turns: number[]
    }>(
      `select c.fence::int, c.deferred, extract(epoch from c.next_at - d.at)::float8 as next, d.turns
         from chunks c
         join (select e.n, min(d.at) as at, array_agg(extract(epoch from d.until - d.at)::float8 order by d.until) as turns
                 from deliveries d
                 join chunks e on d.subscription_id > e.after_id and d.subscription_id <= e.upto_id
                where d.state = 'deferred' group by e.n) d using (n)`,
    )
    expect(chunks.reduce((sum, { deferred }) => sum + deferred, 0)).toBe(19)
    // PostgreSQL counts in these; a sum of fractions is a hair beside them now and then.
    const micros = (seconds: number[]) => seconds.map((each) => Math.round(each * 1e6))
    for (const { fence, next, turns } of chunks) {
      // Taken up once, and again when the first of its letters has its turn.
      expect({ fence, next }).toEqual({ fence: 1, next: turns[0] })
      const late = turns.at(-1)!
      const inTime = turns.filter((turn) => turn < late)
      expect(micros(inTime)).toEqual(micros(inTime.map((_, n) => turns[0]! + n)))
      expect(late).toBeLessThanOrEqual(10)
      expect(inTime.length).toBeLessThanOrEqual(10)
    }
  })

  test('that has a pace and a line of hours is looked at twice a minute, and no letter of it waits for longer', async () => {
    await givenReaders(database.pool, newsroom, readersAt('slow.example', 60))
    const pace = { rate: 1, heldUntil: 0, holds: 0, reason: 'slow', detail: '', changedAt: Date.now() } as const
    await givenPace(database.pool, 'slow.example', pace)
    await database.pool.query(`update paces set turn_at = now() + interval '5 hours'`)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    const { rows } = await database.pool.query<{ soonest: number; latest: number; moments: number }>(
      `select extract(epoch from min(until - at))::float8 as soonest, extract(epoch from max(until - at))::float8 as latest,
              count(distinct until)::int as moments from deliveries where state = 'deferred'`,
    )
    expect(rows[0]!.soonest).toBeGreaterThanOrEqual(15)
    expect(rows[0]!.latest).toBeLessThanOrEqual(30)
    const { rows: chunks } = await database.pool.query(`select from chunks where size > 0`)
    expect(rows[0]!.moments).toBe(chunks.length)
  })

  test('that is slow is found out by comparison, and leaves the connections to the others', async () => {
    await givenReaders(database.pool, newsroom, [...readersAt('slow.example', 40), ...readersAt('fine.example', 40)])
    inbox.slow.set('slow.example', 600)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const sending = engine.send(mailingId)
    const paces = async () => (await database.pool.query(`select domain, reason from paces`)).rows
    await expect.poll(paces, { timeout: 20_000 }).toEqual([{ domain: 'slow.example', reason: 'slow' }])
    inbox.slow.clear()
    await sending
  })

  test('that does not answer ends no turn before the others in its chunk have their letters', async () => {
    const { given: itAnswers, give: answer } = signal()
    inbox.slow.set('silent.example', itAnswers)
    inbox.slow.set('fine.example', 60)
    await engine.close()
    engine = openEngine(database.pool, inbox.url, {
      chunkSize: 60,
      domainsMayStand: true,
      windowSize: { now: () => 2, tell: () => {}, tellLate: () => {} },
    })
    await givenReaders(database.pool, newsroom, [...readersAt('silent.example', 1), ...readersAt('fine.example', 59)])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
    await cutAudience(engine.fanOut, mailingId)
    // Thirty windows, each of a sixteenth of a second and more, and a turn is to last for one.
    await sendChunk(engine.mailer, { mailingId, chunk: 0 })
    // The last of them may still be on the wire. Nobody takes the chunk up again meanwhile.
    await until('the others have theirs', () => arrivedAt('fine.example') === 59).finally(answer)
    const early = arrivedAt('silent.example')
    await engine.mailer.lingering.ended()
    expect([early, arrivedAt('silent.example')]).toEqual([0, 1])
  })

  test('that has one reader each and one provider, which stands still, are no more in the way than one domain is', async () => {
    const { given: itAnswers, give: answer } = signal()
    // As many as there are connections, and none of them has two letters to be compared.
    const still = ['a', 'b', 'c', 'd'].map((name) => `${name}.hosted.example`)
    for (const domain of still) inbox.slow.set(domain, itAnswers)
    await givenReaders(database.pool, newsroom, [
      ...still.flatMap((domain) => readersAt(domain, 1)),
      ...readersAt('fine.example', 36),
    ])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    await until('the others have theirs', async () => {
      await sendWoken()
      return arrivedAt('fine.example') === 36
    })
    expect(inbox.received).toHaveLength(36)
    answer()
    await engine.mailer.lingering.ended()
    expect(inbox.received).toHaveLength(40)
  })

  test('of which one letter hangs has not stood for as long as that when another begins', () => {
    const { watch } = engine.mailer
    const [lone, other] = [watch.of('kari@lone.example'), watch.of('kari@other.example')]
    const ago = performance.now() - 60_000
    lone.begin(ago)
    for (let n = 0; n < 200; n += 1) {
      other.begin(ago)
      other.end(performance.now(), { ms: 5, blocked: null })
    }
    lone.begin(performance.now())
    expect(lone.stands()).toBe(false)
  })

  test('that does not answer holds up nobody else, and has each of its letters once when it does', async () => {
    const { given: itAnswers, give: answer } = signal()
    inbox.slow.set('silent.example', itAnswers)
    // Its readers come first, and are more than there are connections.
    await givenReaders(database.pool, newsroom, readersAt('silent.example', 30))
    await givenReaders(database.pool, newsroom, readersAt('fine.example', 200))
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    await until('the others have their letters', async () => {
      await sendWoken()
      return arrivedAt('fine.example') === 200
    })
    expect(arrivedAt('silent.example')).toBe(0)
    const paces = async () => {
      // Others come and go meanwhile: where there is nobody to compare with, nothing is slow.
      const others = engine.mailer.watch.of('kari@fine.example')
      for (let n = 0; n < 20; n += 1) {
        const now = performance.now()
        others.begin(now)
        others.end(now, { ms: 5, blocked: null })
      }
      await engine.mailer.watch.tell()
      return (await database.pool.query('select domain, reason from paces')).rows
    }
    await expect.poll(paces, { timeout: 20_000 }).toEqual([{ domain: 'silent.example', reason: 'slow' }])

    answer()
    inbox.slow.clear()
    await engine.mailer.lingering.ended()
    await database.pool.query('delete from paces')
    // On a busy machine nothing may go for half a second, and what stands then is put off by one more.
    await until(
      'all have theirs',
      async () => {
        await makeDue(mailingId)
        await engine.reconcileAndSend()
        return inbox.received.length >= 230
        // By the pace that was found for it, two seconds for a letter at the least.
      },
      80,
    )
    expect(inbox.received.map(({ to }) => to).toSorted()).toEqual(
      [...readersAt('silent.example', 30), ...readersAt('fine.example', 200)].toSorted(),
    )
    const { rows: told } = await database.pool.query(
      `select c.sent, c.deferred, c.doubted, m.state
         from (select sum(sent)::int as sent, sum(deferred)::int as deferred, sum(doubted)::int as doubted from chunks) c,
              mailings m`,
    )
    expect(told).toEqual([{ sent: 230, deferred: expect.any(Number), doubted: 0, state: 'done' }])
  })
})

test('what cannot be sent within the retry window has failed, with the reason', async () => {
  await givenReaders(database.pool, newsroom, 5)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await engine.close()
  engine = openEngine(database.pool, 'smtp://127.0.0.1:1', { chunkSize: 20, domainsMayStand: true })
  await engine.send(mailingId)
  await database.pool.query(`update mailings set started_at = now() - interval '3 days' where id = $1`, [mailingId])
  await database.pool.query(`update chunks set next_at = now() where mailing_id = $1`, [mailingId])
  await engine.close()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 20, domainsMayStand: true })
  await engine.reconcileAndSend()
  const { rows } = await database.pool.query(
    `select d.state, a.detail, m.state as mailing from deliveries d
       join attempts a using (mailing_id, subscription_id) join mailings m on m.id = d.mailing_id where d.mailing_id = $1`,
    [mailingId],
  )
  expect(rows).toHaveLength(5)
  expect(rows[0]).toEqual({
    state: 'failed',
    detail: 'The retry window closed before it could be sent.',
    mailing: 'done',
  })
  expect(inbox.received).toEqual([])
})

async function countAttempts(mailing: MailingId): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(*)::int as n from attempts where mailing_id = $1`,
    [mailing],
  )
  return rows[0]!.n
}
