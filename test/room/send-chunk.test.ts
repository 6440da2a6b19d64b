import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { closeChunk, dueChunks, leaseChunk, renewLeases } from '../../shared/delivery/chunk.sql.ts'
import { writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { mayStillBegin } from '../../shared/delivery/may-still-begin.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import { cancelMailing, findMailing, setPaused, supersedeMailings } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { chunkJob } from '../../shared/queues/jobs.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { openHeldLeases } from '../../workers/mailer/held-leases.ts'
import type { LettersOf } from '../../workers/mailer/prepared-letters.ts'
import { openPreparedLetters } from '../../workers/mailer/prepared-letters.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { openSenderAlignment } from '../../workers/mailer/sender-alignment.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine, sendWholeChunk } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { scriptedTransport } from '../rig/scripted-transport.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

beforeEach(async () => {
  // The reconciler looks at everything there is; what an earlier test left due is not this one's.
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 40 })
  newsroom = await givenNewsroom(database.pool)
  return async () => {
    await engine.close()
    await inbox.close()
  }
})

const fieldOf = (raw: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(raw)?.[1]?.trim() ?? 'none'
const addressees = () => inbox.received.map(({ to }) => to).sort()

async function statesOf(mailing: MailingId): Promise<Record<string, number>> {
  const { rows } = await database.pool.query<{ state: string; count: number }>(
    `select state, count(*)::int as count from deliveries where mailing_id = $1 group by state`,
    [mailing],
  )
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

async function totalsOf(mailing: MailingId) {
  const { rows } = await database.pool.query<Record<string, number>>(
    `select sum(sent)::int as sent, sum(deferred)::int as deferred, sum(bounced)::int as bounced, sum(failed)::int as failed,
            sum(opted_out)::int as opted_out, sum(withdrawn)::int as withdrawn, sum(doubted)::int as doubted
       from chunks where mailing_id = $1`,
    [mailing],
  )
  return rows[0]!
}

describe('a mailing', () => {
  test('reaches each reader once, and ends', async () => {
    const readers = await givenReaders(database.pool, newsroom, 137)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)

    expect(addressees()).toEqual(readers.map(({ address }) => address).sort())
    expect(new Set(inbox.received.map(({ from }) => from)).size).toBe(137)
    expect((await findMailing(database.pool, mailingId))?.state).toBe('done')
    expect(await statesOf(mailingId)).toEqual({ sent: 137 })
    expect((await totalsOf(mailingId)).sent).toBe(137)
  })

  test('whose bounces return to another organisation’s domain than its sender’s is told of once', async () => {
    const told: object[] = []
    const log = { warn: (about: object) => void told.push(about) } as unknown as Log
    const letters = openPreparedLetters(database.pool, openSenderAlignment(log, 'bounces.kommunene.no'))
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const second = await givenMailing(database.pool, newsroom)
    for (const id of [mailingId, second.mailingId]) {
      await cutAudience(engine.fanOut, id)
      await letters.of(id)
    }
    expect(told).toEqual([{ from: newsroom.senderAddress.split('@')[1], envelope: 'bounces.kommunene.no' }])

    told.length = 0
    const aligned = openSenderAlignment(log, 'bounces.havna.kommune.no')
    for (const from of ['presse@havna.kommune.no', 'presse@nyheter.havna.kommune.no']) aligned.check(from)
    expect(told).toEqual([])
    aligned.check('presse@vika.kommune.no')
    expect(told).toHaveLength(1)
  })

  test('is dated when it is handed over', async () => {
    await givenReaders(database.pool, newsroom, 3)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const before = Date.now()
    await engine.send(mailingId)
    const dates = inbox.received.map(({ raw }) => Date.parse(fieldOf(raw, 'Date')))
    expect(dates).toHaveLength(3)
    for (const date of dates) {
      expect(date).toBeGreaterThan(before - 60_000)
      expect(date).toBeLessThan(Date.now() + 60_000)
    }
  })

  test('sends nothing more when every stage is run again', async () => {
    await givenReaders(database.pool, newsroom, 50)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    await engine.send(mailingId)
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(50)
  })

  test('goes to the readers of its acceptance, not to those who come later', async () => {
    await givenReaders(database.pool, newsroom, ['first@readers.example'])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await givenReaders(database.pool, newsroom, ['later@readers.example'])
    await engine.send(mailingId)
    expect(addressees()).toEqual(['first@readers.example'])
  })

  test('with no readers at all ends at once', async () => {
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect((await findMailing(database.pool, mailingId))?.state).toBe('done')
  })

  test('under embargo leaves only when its hour has come', async () => {
    await givenReaders(database.pool, newsroom, 3)
    const { mailingId } = await givenMailing(database.pool, newsroom, { publishedAt: new Date(Date.now() + 3_600_000) })
    await engine.reconcileAndSend()
    await engine.send(mailingId)
    expect(inbox.received).toEqual([])

    await database.pool.query(`update mailings set due_at = now() - interval '1 second' where id = $1`, [mailingId])
    await engine.reconcileAndSend()
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(3)
  })

  test('that is paused begins no letter, and goes on where it was when resumed', async () => {
    await givenReaders(database.pool, newsroom, 90)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const [first] = engine.woken
    await sendWholeChunk(engine.mailer, first!.payload as Payloads['mail-bulk'])
    await setPaused(database.pool, mailingId, true)
    const before = inbox.received.length
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(90)
    engine.woken.length = 0
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(before)

    // However long it was: a weekend is more than the retry window.
    await database.pool.query(`update mailings set started_at = now() - interval '3 days' where id = $1`, [mailingId])
    await setPaused(database.pool, mailingId, false)
    await engine.reconcileAndSend()
    expect(new Set(addressees()).size).toBe(90)
    expect(inbox.received).toHaveLength(90)
  })

  test('is complete although the queue forgot every job', async () => {
    await givenReaders(database.pool, newsroom, 100)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    engine.woken.length = 0
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(100)
    expect((await findMailing(database.pool, mailingId))?.state).toBe('done')
  })
})

describe('a reader whose letter cannot be made', () => {
  test('has failed with the reason, by themselves: all others get theirs, and the mailing ends', async () => {
    const readers = await givenReaders(database.pool, newsroom, 50)
    const poisoned = readers[17]!
    await database.pool.query(`update subscriptions set language = 'se' where id = $1`, [poisoned.subscriptionId])
    const letters = {
      of: async (mailing: MailingId): Promise<LettersOf> => {
        const prepared = await engine.mailer.letters.of(mailing)
        return (language) => {
          if (language === 'se') throw new Error('its language has no words')
          return prepared(language)
        }
      },
    }
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    for (const { payload } of engine.woken.splice(0))
      await sendWholeChunk({ ...engine.mailer, letters }, payload as Payloads['mail-bulk'])

    expect(addressees()).toEqual(
      readers
        .filter((reader) => reader !== poisoned)
        .map(({ address }) => address)
        .sort(),
    )
    expect(await statesOf(mailingId)).toEqual({ sent: 49, failed: 1 })
    expect(await totalsOf(mailingId)).toMatchObject({ sent: 49, failed: 1, bounced: 0, doubted: 0 })
    const { rows } = await database.pool.query(
      `select subscription_id, verdict, phase, detail from attempts where mailing_id = $1`,
      [mailingId],
    )
    expect(rows).toEqual([
      {
        subscription_id: poisoned.subscriptionId,
        verdict: 'failed',
        phase: 'compose',
        detail: 'The letter could not be made: Error: its language has no words',
      },
    ])
    expect((await findMailing(database.pool, mailingId))?.state).toBe('done')
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(49)
  })
})

describe('a reply', () => {
  test('is kept with the letter it answers, in whatever order replies come and however ids sort as text', async () => {
    await database.pool.query('alter sequence subscriptions_id_seq restart with 999980')
    await givenReaders(database.pool, newsroom, 39)
    const transport = scriptedTransport(async ({ envelope: { to } }) => {
      const n = Number(/\d+/.exec(to)![0])
      // Every other one later, every tenth refused for now.
      if (n % 2 === 0) await new Promise(setImmediate)
      const text = `queued for ${to}`
      return n % 10 === 0
        ? { kind: 'refused', phase: 'rcpt', reply: { code: 450, enhanced: '4.2.0', text } }
        : { kind: 'accepted', reply: { code: 250, enhanced: '2.0.0', text } }
    })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await openEngine(database.pool, inbox.url, { transport }).send(mailingId)
    const { rows } = await database.pool.query<{ address: string; state: string; reply: string; waits: boolean }>(
      `select b.address, d.state, d.reply, d.until is not null as waits
         from deliveries d join subscriptions s on s.id = d.subscription_id join subscribers b on b.id = s.subscriber_id
        where d.mailing_id = $1 order by length(b.address), b.address`,
      [mailingId],
    )
    expect(rows).toEqual(
      Array.from({ length: 39 }, (_, index) => {
        const address = `reader${index + 1}@readers.example`
        return (index + 1) % 10 === 0
          ? { address, state: 'deferred', reply: `450 4.2.0 queued for ${address}`, waits: true }
          : { address, state: 'sent', reply: `250 2.0.0 queued for ${address}`, waits: false }
      }),
    )
    expect(await totalsOf(mailingId)).toMatchObject({ sent: 36, deferred: 3 })
  })
})

describe('a reader who leaves', () => {
  test('after the audience was cut gets nothing', async () => {
    const [leaver] = await givenReaders(database.pool, newsroom, ['leaver@readers.example', 'stays@readers.example'])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    await leave(leaver!.subscriptionId)
    await engine.send(mailingId)
    await engine.reconcileAndSend()
    expect(addressees()).toEqual(['stays@readers.example'])
    expect(await statesOf(mailingId)).toEqual({ sent: 1, opted_out: 1 })
    expect((await totalsOf(mailingId)).opted_out).toBe(1)
  })

  test('while the letters are going out gets none that begins after the answer', async () => {
    const readers = await givenReaders(database.pool, newsroom, 200)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const answeredAt = new Map<string, number>()
    let begun = 0
    inbox.onMailFrom = async () => {
      begun += 1
      if (begun % 10 !== 0) return
      const leaver = readers[(begun * 7) % readers.length]!
      if (answeredAt.has(leaver.address)) return
      answeredAt.set(leaver.address, Number.POSITIVE_INFINITY)
      void (async () => {
        await leave(leaver.subscriptionId)
        while ((await mayStillBegin(database.pool, leaver.subscriptionId)) > 0) await new Promise(setImmediate)
        answeredAt.set(leaver.address, performance.now())
      })()
    }
    await engine.send(mailingId)
    await engine.reconcileAndSend()
    await expect.poll(() => [...answeredAt.values()].filter((at) => at === Number.POSITIVE_INFINITY)).toEqual([])

    expect(answeredAt.size).toBeGreaterThan(5)
    const late = inbox.received.filter(
      ({ to, mailFromAt }) => mailFromAt > (answeredAt.get(to) ?? Number.POSITIVE_INFINITY),
    )
    expect(late).toEqual([])
    const states = await statesOf(mailingId)
    expect((states.sent ?? 0) + (states.opted_out ?? 0)).toBe(200)
    expect(inbox.received).toHaveLength(states.sent ?? 0)
  })

  test('and comes back while the letter waits for another try is a reader of what comes from then on', async () => {
    const [reader] = await givenReaders(database.pool, newsroom, 1)
    inbox.refuse(reader!.address, { code: 451, text: '4.7.1 come back later', times: 1 })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(await statesOf(mailingId)).toEqual({ deferred: 1 })
    await database.pool.query(`update subscriptions set state = 'ended', ended_at = now() where id = $1`, [
      reader!.subscriptionId,
    ])
    await database.pool.query(
      `update subscriptions set state = 'active', activated_at = now(), ended_at = null where id = $1`,
      [reader!.subscriptionId],
    )
    await database.pool.query('update deliveries set until = now()')
    await database.pool.query('update chunks set next_at = now()')
    await engine.reconcileAndSend()
    expect(await statesOf(mailingId)).toEqual({ opted_out: 1 })
    const next = await givenMailing(database.pool, newsroom)
    await engine.send(next.mailingId)
    expect(addressees()).toEqual([reader!.address])
    expect(await statesOf(next.mailingId)).toEqual({ sent: 1 })
  })

  test('right after its mailing was replaced is answered no sooner', async () => {
    const [reader] = await givenReaders(database.pool, newsroom, 1)
    const { release, mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const lease = await leaseChunk(database.pool, { mailingId, n: 0 }, null)
    const { letters } = await writeDeliveries(database.pool, lease!.chunk, { most: 10, window: 172_800 })
    expect(letters).toHaveLength(1)
    await supersedeMailings(database.pool, release.id)
    await leave(reader!.subscriptionId)
    expect(await mayStillBegin(database.pool, reader!.subscriptionId)).toBeGreaterThan(0)
  })

  const leave = (subscription: string) =>
    database.pool.query(
      `update subscriptions set state = 'ended', ended_at = now(), ended_reason = 'unsubscribed' where id = $1`,
      [subscription],
    )
})

describe('a refusal', () => {
  test('for now is tried again later, under the same Message-ID', async () => {
    await givenReaders(database.pool, newsroom, ['grey@readers.example'])
    inbox.refuse('grey@readers.example', { code: 450, text: '4.2.0 Greylisted, come back later', times: 1, at: 'dot' })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(inbox.received).toEqual([])
    expect(await statesOf(mailingId)).toEqual({ deferred: 1 })
    expect((await totalsOf(mailingId)).deferred).toBe(1)
    const { rows } = await database.pool.query<{ wait: number }>(
      `select extract(epoch from until - now())::float8 as wait from deliveries where mailing_id = $1`,
      [mailingId],
    )
    expect(rows[0]!.wait).toBeGreaterThan(300)

    await engine.reconcileAndSend()
    expect(inbox.received).toEqual([])

    await database.pool.query(`update deliveries set until = now() where mailing_id = $1`, [mailingId])
    await database.pool.query(`update chunks set next_at = now() where mailing_id = $1`, [mailingId])
    await engine.reconcileAndSend()
    expect(addressees()).toEqual(['grey@readers.example'])
    expect(inbox.read.map(({ raw }) => fieldOf(raw, 'Message-ID'))).toEqual(
      Array(2).fill(expect.stringMatching(/^<\S+@mail\.example>$/)),
    )
    expect(new Set(inbox.read.map(({ raw }) => fieldOf(raw, 'Message-ID'))).size).toBe(1)
    expect(await totalsOf(mailingId)).toMatchObject({ sent: 1, deferred: 0 })
    expect((await findMailing(database.pool, mailingId))?.state).toBe('done')
  })

  test('for good suppresses the address and ends its subscription', async () => {
    const [gone] = await givenReaders(database.pool, newsroom, ['gone@readers.example'])
    inbox.refuse('gone@readers.example', { code: 550, text: '5.1.1 No such user' })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(await statesOf(mailingId)).toEqual({ bounced: 1 })
    const { rows } = await database.pool.query(
      `select s.state, s.ended_reason, x.reason from subscriptions s
         join subscribers b on b.id = s.subscriber_id left join suppressions x on x.address_hash = b.address_hash
        where s.id = $1`,
      [gone!.subscriptionId],
    )
    expect(rows).toEqual([{ state: 'ended', ended_reason: 'bounced', reason: 'bounced' }])

    const second = await givenMailing(database.pool, newsroom)
    await engine.send(second.mailingId)
    expect(inbox.received).toEqual([])
  })

  test('of an address suppressed while its letter waits for another try closes that, though the subscription goes on', async () => {
    const [reader] = await givenReaders(database.pool, newsroom, 1)
    inbox.refuse(reader!.address, { code: 451, text: '4.3.0 come back later', times: 1 })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    await database.pool.query(
      `insert into suppressions (address_hash, reason, at) select address_hash, 'operator', now() from subscribers`,
    )
    await database.pool.query('update deliveries set until = now()')
    await database.pool.query('update chunks set next_at = now()')
    const asked = inbox.read.length
    await engine.reconcileAndSend()
    expect(await statesOf(mailingId)).toEqual({ suppressed: 1 })
    // And so is what has not been written yet.
    const next = await givenMailing(database.pool, newsroom)
    await engine.send(next.mailingId)
    expect(await statesOf(next.mailingId)).toEqual({ suppressed: 1 })
    expect([inbox.received, inbox.read.length]).toEqual([[], asked])
  })

  test('of our policy or reputation is never held against the reader', async () => {
    await givenReaders(database.pool, newsroom, ['strict@readers.example'])
    inbox.refuse('strict@readers.example', { code: 550, text: '5.7.1 Blocked for poor reputation' })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(await statesOf(mailingId)).toEqual({ deferred: 1 })
    const { rowCount } = await database.pool.query(
      `select from suppressions x join subscribers b on b.address_hash = x.address_hash where b.address = 'strict@readers.example'`,
    )
    expect(rowCount).toBe(0)
  })
})

describe('a mailing that is stopped', () => {
  test('closes at once what waits for another try, also where a worker put it off at that moment', async () => {
    await givenReaders(database.pool, newsroom, ['full@readers.example', 'fine@readers.example'])
    inbox.refuse('full@readers.example', { code: 452, text: '4.2.2 mailbox full' })
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(await statesOf(mailingId)).toEqual({ deferred: 1, sent: 1 })
    expect(await cancelMailing(database.pool, mailingId)).toBe(true)
    await database.pool.query(`update chunks set next_at = now() + interval '4 hours' where state <> 'done'`)
    await engine.reconcileAndSend()
    expect(await statesOf(mailingId)).toEqual({ sent: 1, withdrawn: 1 })
    expect(await totalsOf(mailingId)).toMatchObject({ withdrawn: 1, deferred: 0 })
    const { rows } = await database.pool.query(`select distinct state from chunks where mailing_id = $1`, [mailingId])
    expect(rows).toEqual([{ state: 'done' }])
  })
})

describe('a worker', () => {
  test('that dies with letters claimed leaves them in doubt, counted and sent again', async () => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    // The first worker's mail host never answers: what it claims stays claimed, as when it is killed.
    const dying = openEngine(database.pool, inbox.url, {
      chunkSize: 40,
      transport: scriptedTransport(() => new Promise(() => {})),
    })
    await cutAudience(dying.fanOut, mailingId)
    const chunks = dying.woken.map(({ payload }) => (payload as { chunk: number }).chunk)
    for (const chunk of chunks) void sendChunk(dying.mailer, { mailingId, chunk })
    await expect.poll(() => statesOf(mailingId).then(({ claimed = 0, due = 0 }) => claimed + due)).toBe(30)
    dying.mailer.leases.close()
    const { claimed } = await statesOf(mailingId)

    await engine.reconcileAndSend()
    expect(inbox.received).toEqual([])
    await database.pool.query(
      `update chunks set lease_until = now() - interval '1 second' where mailing_id = $1 and lease_until is not null`,
      [mailingId],
    )
    // Word of it may be given more than once, and by who has not heard the database for long: a wake-up alone takes nothing.
    for (const chunk of chunks) await sendChunk(engine.mailer, { mailingId, chunk })
    const reconcileHaving = (heardUntil: () => Promise<number | null>) =>
      reconcile({ pool: database.pool, wake: engine.mailer.wake, now: () => new Date(), heardUntil })
    await reconcileHaving(async () => null)
    expect([engine.woken, inbox.received]).toEqual([[], []])
    await reconcileHaving(async () => Date.now())
    await engine.reconcileAndSend()

    expect(inbox.received).toHaveLength(30)
    expect(await totalsOf(mailingId)).toMatchObject({ sent: 30, doubted: claimed })
  })

  test('that vanishes leaves a chunk that is woken behind first ones only, under a new name should who takes it up vanish too', async () => {
    await givenReaders(database.pool, newsroom, 120)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const fresh = await namesAfter(null)
    expect(fresh).toEqual(await namesAfter(null))
    await leaseChunk(database.pool, { mailingId, n: 0 }, null)
    await database.pool.query('update chunks set rank = 9 where mailing_id = $1 and n = 0', [mailingId])
    const names: (string | undefined)[] = []
    for (const seconds of [0.001, 0.1, 1.5, 3, 5, 6, 300]) names.push(await namesAfter(seconds))
    // Beside the moment at which it ran out, which is another each time here.
    const ages = names.map((name) => Number(name?.match(/\d+$/)))
    expect(ages).toEqual([0, 0, 2, 3, 4, 4, 34])
    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain(fresh)
    const [first, ...others] = (await dueChunks(database.pool, 10, Date.now() + 1_000)).map(chunkJob)
    expect(first).toMatchObject({ payload: { chunk: 0 }, rank: 1 })
    expect(others.map(({ rank }) => rank)).toEqual(others.map(({ rank }) => rank).toSorted((a, b) => a! - b!))
    expect(others.length).toBeGreaterThan(0)

    /** By which the first chunk is woken so long after its lease ran out. */
    async function namesAfter(seconds: number | null): Promise<string | undefined> {
      // In one transaction no time goes by between the two.
      const due = await inTransaction(database.pool, async (tx) => {
        await tx.query(
          `update chunks set lease_until = now() - $2 * interval '1 second' where mailing_id = $1 and n = 0`,
          [mailingId, seconds],
        )
        return dueChunks(tx, 10, Date.now() + 1_000)
      })
      return due.map(chunkJob).find(({ payload }) => payload.chunk === 0)?.id
    }
  })

  test('that could not renew its lease in time keeps its chunk, if it has renewed before another takes it', async () => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const { chunk } = (await leaseChunk(database.pool, { mailingId, n: 0 }, null))!
    const lapse = (ago: string) =>
      database.pool.query('update chunks set lease_until = now() - $2::interval where mailing_id = $1 and n = 0', [
        mailingId,
        ago,
      ])
    const abandoned = async (heardUntil: number | null) =>
      (await dueChunks(database.pool, 10, heardUntil)).find(({ n }) => n === 0)?.abandoned?.until
    await lapse('10 seconds')
    expect(await abandoned(null)).toBeUndefined()
    expect(await abandoned(Date.now() - 20_000)).toBeUndefined()
    const until = await abandoned(Date.now())
    expect(until).toBeTypeOf('string')

    await renewLeases(database.pool, [chunk])
    expect(await leaseChunk(database.pool, { mailingId, n: 0 }, until!)).toBeNull()
    await lapse('9 seconds')
    expect(await leaseChunk(database.pool, { mailingId, n: 0 }, until!)).toBeNull()
    const anew = await abandoned(Date.now())
    expect((await leaseChunk(database.pool, { mailingId, n: 0 }, anew!))?.chunk.fence).toBe(
      String(Number(chunk.fence) + 1),
    )
    expect((await renewLeases(database.pool, [chunk])).renewed).toEqual([])
  })

  test('that loses the database in the middle of a turn gives its chunk back as soon as it is there again', async () => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    let refusals = 2
    const losing = new Proxy(database.pool, {
      get: (target, name) => {
        const value = Reflect.get(target, name)
        if (name !== 'query') return value
        return async (...given: [unknown, ...unknown[]]) => {
          if ((given[0] as { name?: string }).name === 'close-chunk' && refusals-- > 0) throw new Error('away')
          return (value as (...all: unknown[]) => unknown).apply(target, given)
        }
      },
    })
    const letters = { of: () => Promise.reject(new Error('away')) }
    await expect(sendChunk({ ...engine.mailer, pool: losing, letters }, { mailingId, chunk: 0 })).rejects.toThrow(
      'away',
    )
    const { rows } = await database.pool.query(
      'select lease_until, next_at > now() as rests from chunks where mailing_id = $1 and n = 0',
      [mailingId],
    )
    expect([refusals, rows]).toEqual([-1, [{ lease_until: null, rests: true }]])
  })

  test('that takes a chunk again after losing it has that lease, and not the former one back', async () => {
    await givenReaders(database.pool, newsroom, 3)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const take = async () => (await leaseChunk(database.pool, { mailingId, n: 0 }, null))!.chunk
    const leases = openHeldLeases(database.pool, engine.mailer.log)
    // So long ago that it has run out, as of a letter that is still on the wire.
    const former = leases.hold(await take(), performance.now() - 60_000)
    await database.pool.query('update chunks set lease_until = null')
    const present = leases.hold(await take(), performance.now())
    await leases.heardUntil()
    expect([former.runs(), present.runs()]).toEqual([false, true])
    leases.close()
  })

  test('that has given a chunk back does not take it again with a renewal that was under way', async () => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await cutAudience(engine.fanOut, mailingId)
    const { chunk } = (await leaseChunk(database.pool, { mailingId, n: 0 }, null))!
    const isDue = async () => (await dueChunks(database.pool, 10, Date.now())).some(({ n }) => n === 0)
    expect((await renewLeases(database.pool, [chunk])).renewed).toEqual([`${mailingId} 0 ${chunk.fence}`])
    expect(await isDue()).toBe(false)

    await closeChunk(database.pool, chunk, 0)
    expect((await renewLeases(database.pool, [chunk])).renewed).toEqual([])
    expect(await isDue()).toBe(true)
  })

  test('that finds the mail host away spends no reader’s attempt on it', async () => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const lost = openEngine(database.pool, 'smtp://127.0.0.1:1', { chunkSize: 40 })
    await lost.send(mailingId)
    await lost.close()
    const { rows } = await database.pool.query(`select distinct state, attempt from deliveries where mailing_id = $1`, [
      mailingId,
    ])
    expect(rows).toEqual([{ state: 'due', attempt: 0 }])

    await database.pool.query(`update chunks set next_at = now() where mailing_id = $1`, [mailingId])
    await engine.reconcileAndSend()
    expect(inbox.received).toHaveLength(30)
  })
})
