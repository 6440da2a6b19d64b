import pino from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  askForLetter,
  hearWhoseLetterIsAskedFor,
  mayStillBegin,
  untilNobodyMayBegin,
} from '../../shared/delivery/may-still-begin.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { openListener } from '../../shared/postgres/listen.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import type { LetterTransport } from '../../workers/mailer/signing-transport.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { signal } from '../rig/hand-over.ts'
import { until } from '../rig/until.ts'

/*
 * Whoever leaves while their letter is in a worker's hands is not kept waiting for the claim to run out: the letter is
 * asked for. The mail host here takes one letter after the other, each when a test says so.
 */
let database: TestDatabase
let engine: Engine
let host: PatientHost
let newsroom: Newsroom
let readers: Reader[]

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

beforeEach(async () => {
  await database.pool.query('truncate mailings, renderings, chunks, deliveries, attempts')
  newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 5)
  host = openPatientHost()
  engine = openEngine(database.pool, 'smtp://127.0.0.1:1', { transport: host.transport })
  return () => engine.close()
})

test('a letter that has not begun is given back while others are on the wire, and never begins', async () => {
  const { ended } = await beginSending()
  const leaver = readers[4]!
  await leave(leaver)
  expect(await stateOf(leaver)).toBe('claimed')

  engine.mailer.inHand.giveBack(leaver.subscriptionId)
  await until('the letter is given back', async () => (await stateOf(leaver)) === 'due')
  expect(await mayStillBegin(database.pool, leaver.subscriptionId)).toBe(0)
  expect(await stateOf(readers[0]!)).toBe('claimed')

  host.takeAll()
  await ended
  expect(host.begun).toEqual(readers.slice(0, 4).map(({ address }) => address))
  expect(await stateOf(leaver)).toBe('opted_out')
})

test('a letter on the wire is written down as soon as it ends, and at once what ended before', async () => {
  const { ended } = await beginSending()
  host.take()
  await until('the second letter is on the wire', () => host.begun.length === 2)
  const leaver = readers[1]!
  await leave(leaver)
  engine.mailer.inHand.giveBack(leaver.subscriptionId)
  await until('the first is written down', async () => (await stateOf(readers[0]!)) === 'sent')
  expect(await stateOf(leaver)).toBe('claimed')

  host.take()
  await until('the second is written down', async () => (await stateOf(leaver)) === 'sent')
  host.takeAll()
  await ended
  expect(host.begun).toHaveLength(5)
})

test('a letter that the host has not yet asked the text of does not leave any more', async () => {
  host.isSlowToAsk = true
  const { ended } = await beginSending()
  const leaver = readers[0]!
  await leave(leaver)
  engine.mailer.inHand.giveBack(leaver.subscriptionId)
  host.take()
  await until('the letter is given back', async () => (await stateOf(leaver)) === 'due')
  host.takeAll()
  await ended
  // What did not begin in time, on a slow machine, is due again in a second.
  await until('the others have theirs', async () => {
    await engine.reconcileAndSend()
    return host.taken.length === readers.length - 1
  })
  expect(host.taken.toSorted()).toEqual(
    readers
      .slice(1)
      .map(({ address }) => address)
      .toSorted(),
  )
  expect(await stateOf(leaver)).toBe('opted_out')
})

test('a letter asked for before its claim has reached the worker is given back when it does', async () => {
  const leaver = readers[2]!
  const mailingId = await givenMailingInOneChunk()
  await cutAudience(engine.fanOut, mailingId)
  engine.mailer.inHand.giveBack(leaver.subscriptionId)
  const { ended } = await beginSending(mailingId)
  await until('the letter is given back', async () => (await stateOf(leaver)) === 'due')
  await leave(leaver)
  host.takeAll()
  await ended
  expect(host.begun).not.toContain(leaver.address)
  expect(await stateOf(leaver)).toBe('opted_out')
})

test('a letter that one window put back is not given back by it once a later one has begun it', async () => {
  const { given: slowEnds, give: endSlow } = signal()
  const { given: othersEnd, give: endOthers } = signal()
  const { given: othersHaveBegun, give: beginOthers } = signal()
  const reply = { code: 250, enhanced: '2.0.0', text: 'Ok' }
  let rows = 0
  const twice: LetterTransport = {
    send: host.transport.send,
    async sendRow({ length, open, settle }) {
      rows += 1
      const isFirst = rows === 1
      const places = Array.from({ length }, (_, place) => place)
      // In the first row there is a connection for one letter only, and the mail host takes its time over it.
      for (const place of places)
        if (isFirst && place > 0) settle(place, { kind: 'not-started' })
        else open(place)
      if (!isFirst) beginOthers()
      await (isFirst ? slowEnds : othersEnd)
      for (const place of isFirst ? [0] : places) settle(place, { kind: 'accepted', reply })
    },
    async close() {},
  }
  const busy = openEngine(database.pool, 'smtp://127.0.0.1:1', { transport: twice })
  const mailing = await givenMailingInOneChunk()
  const ended = busy.send(mailing)
  await othersHaveBegun
  const leaver = readers[1]!
  await leave(leaver)
  busy.mailer.inHand.giveBack(leaver.subscriptionId)
  endOthers()
  await until('it is written down', async () => (await stateOf(leaver)) !== 'claimed')
  endSlow()
  await ended
  await busy.reconcileAndSend()
  await busy.close()
  expect(await stateOf(leaver)).toBe('sent')
  expect(rows).toBe(2)
})

test('leaving asks for the letter, and is done when it was given back', async () => {
  const listener = listen()
  try {
    await untilListening()
    const { ended } = await beginSending()
    await leave(readers[4]!)
    await untilNobodyMayBegin(database.pool, readers[4]!.subscriptionId)
    expect(await stateOf(readers[4]!)).toBe('due')
    host.takeAll()
    await ended
    expect(host.begun).toHaveLength(4)
  } finally {
    await listener.close()
  }
})

test('whoever listens and loses the connection hears again', async () => {
  const listener = listen()
  try {
    const first = await untilListening()
    await database.pool.query('select pg_terminate_backend($1)', [first])
    await until('another connection listens', async () => (await untilListening()) !== first)
    const { ended } = await beginSending()
    await leave(readers[3]!)
    await askForLetter(database.pool, readers[3]!.subscriptionId)
    await until('the letter is given back', async () => (await stateOf(readers[3]!)) === 'due')
    host.takeAll()
    await ended
  } finally {
    await listener.close()
  }
})

function listen() {
  const { inHand } = engine.mailer
  return openListener({
    url: database.url,
    name: 'a worker that listens',
    statement: hearWhoseLetterIsAskedFor,
    log: pino({ level: 'silent' }),
    hear: (subscription) => inHand.giveBack(subscription as SubscriptionId),
  })
}

/** Which backend has been told to listen. */
const untilListening = () =>
  until('somebody listens', async () => {
    const { rows } = await database.pool.query<{ pid: number }>(
      `select pid from pg_stat_activity
        where datname = current_database() and application_name = 'a worker that listens' and state = 'idle'
          and query like 'listen %'`,
    )
    return rows[0]?.pid
  })

/** Resolves when the first letter is on the wire; `ended` once all that is due has been sent. */
async function beginSending(mailing?: MailingId): Promise<{ ended: Promise<void> }> {
  const ended = engine.send(mailing ?? (await givenMailingInOneChunk())).then(() => engine.reconcileAndSend())
  await until('a letter is on the wire', () => host.begun.length > 0)
  return { ended }
}

/** The audience is walked from the first reader and not from a place drawn at random. */
async function givenMailingInOneChunk(): Promise<MailingId> {
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
  return mailingId
}

const leave = ({ subscriptionId }: Reader) =>
  database.pool.query(
    `update subscriptions set state = 'ended', ended_at = now(), ended_reason = 'unsubscribed' where id = $1`,
    [subscriptionId],
  )

async function stateOf({ subscriptionId }: Reader): Promise<string | undefined> {
  const { rows } = await database.pool.query<{ state: string }>(
    'select state from deliveries where subscription_id = $1',
    [subscriptionId],
  )
  return rows[0]?.state
}

type PatientHost = {
  readonly transport: LetterTransport
  /** To whom a letter has begun, in order. */
  readonly begun: string[]
  /** Whose letter it has, in order. */
  readonly taken: string[]
  /** Whether it lets time pass between a letter's MAIL FROM and its text, in place of after its text. */
  isSlowToAsk: boolean
  /** Takes the letter on the wire. */
  take(): void
  /** Takes it and whatever comes. */
  takeAll(): void
}

function openPatientHost(): PatientHost {
  const begun: string[] = []
  const taken: string[] = []
  let isOpen = false
  let take = () => {}
  return {
    begun,
    taken,
    isSlowToAsk: false,
    take: () => take(),
    takeAll() {
      isOpen = true
      take()
    },
    transport: {
      async send() {
        throw new Error('chunks are sent in rows')
      },
      async sendRow({ length, open, settle }) {
        const wait = () => (isOpen ? Promise.resolve() : new Promise<void>((resolve) => (take = resolve)))
        for (let place = 0; place < length; place += 1) {
          const letter = open(place)
          if (letter === null) {
            settle(place, { kind: 'not-started' })
            continue
          }
          const { to } = letter.envelope
          begun.push(to)
          if (host.isSlowToAsk) await wait()
          if (letter.beforeDot?.() === false) {
            settle(place, { kind: 'not-started' })
            continue
          }
          if (!host.isSlowToAsk) await wait()
          taken.push(to)
          settle(place, { kind: 'accepted', reply: { code: 250, enhanced: '2.0.0', text: 'Ok' } })
        }
      },
      async close() {},
    },
  }
}
