import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import { settingTable } from '../../shared/config/settings.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { openSharedLookup } from '../../shared/transport/smtp-lookup.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { letterTo, test } from '../rig/hand-over.ts'
import { openNoticeSender } from '../rig/notice-sender.ts'
import { follow, readerHouse } from '../rig/reader-house.ts'
import { takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

/*
 * The clock that waits go by is moved; the mail host, its sockets and the database are real. What the database would make
 * wait is asked of it, and waited for by the moved clock.
 */
const minute = 60_000
/** What operators are promised: docs/operating.md, “the mail host cannot be used”. */
const promised = 15_000
/** The most connections a pool tries in any minute while the host is away. */
const mostKnocks = 20
const reconcileEvery = Number(settingTable.RECONCILE_EVERY.default) * 1000

let database: TestDatabase
let newsroom: Newsroom
let host: AwayHost

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  newsroom = await givenNewsroom(database.pool)
  host = awayHost()
})
afterEach(() => {
  vi.useRealTimers()
})

type AwayHost = {
  /** When it was knocked at in vain, by the moved clock. */
  readonly knocks: number[]
  /** When it was back; before that it drops whoever connects. */
  backAt: number
  /** Back right after the first knock in vain from then on: nobody waits longer than who has just knocked. */
  returnFrom: number
  script(wire: Wire): Promise<void>
}

function awayHost(): AwayHost {
  const host: AwayHost = {
    knocks: [],
    backAt: Number.POSITIVE_INFINITY,
    returnFrom: Number.POSITIVE_INFINITY,
    async script(wire) {
      const now = performance.now()
      if (host.backAt < Number.POSITIVE_INFINITY) {
        await welcome(wire, 'PIPELINING')
        return takeLetters(wire)
      }
      host.knocks.push(now)
      if (now >= host.returnFrom) host.backAt = now
      wire.cut()
    },
  }
  return host
}

function moveTheClock(): void {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
}

const mostInAMinute = (times: readonly number[]) =>
  Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + minute).length))

/**
 * Rounds of the reconciler through ten minutes without a mail host, until what is due has left; `knock` gives the
 * seconds until it is due again, or null. Returns how long the host had been back by then.
 */
async function playOutage(knock: () => Promise<number | null>): Promise<number> {
  const began = performance.now()
  host.returnFrom = began + 10 * minute
  let dueAt = began
  for (;;) {
    vi.advanceTimersByTime(reconcileEvery)
    const now = performance.now()
    if (now < dueAt) continue
    const wait = await knock()
    if (wait === null) return now - host.backAt
    dueAt = now + wait * 1000
    if (now > began + 15 * minute) throw new Error('nothing has left')
  }
}

test('after ten minutes without a mail host a mailing goes on within 15 seconds, without an attempt spent', async ({
  host: play,
}) => {
  const { url } = await play(host.script)
  // The timers of its leases and paces are left real.
  const engine = openEngine(database.pool, url)
  moveTheClock()
  const readers = await givenReaders(database.pool, newsroom, 30)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await engine.send(mailingId)
  const late = await playOutage(async () => {
    await database.pool.query('update chunks set next_at = now() where mailing_id = $1', [mailingId])
    await engine.reconcileAndSend()
    const { rows } = await database.pool.query<{ sent: number; attempts: number; wait: number }>(
      `select sum(sent)::int as sent, extract(epoch from min(next_at) - now())::float8 as wait,
              (select max(attempt) from deliveries where mailing_id = $1) as attempts
         from chunks where mailing_id = $1`,
      [mailingId],
    )
    const { sent, attempts, wait } = rows[0]!
    expect(attempts).toBe(sent > 0 ? 1 : 0)
    return sent === readers.length ? null : wait
  })
  expect(late).toBeLessThanOrEqual(promised)
  expect(mostInAMinute(host.knocks)).toBeLessThanOrEqual(mostKnocks)
  expect(host.knocks.length).toBeGreaterThan(20)
  await engine.close()
})

test('after ten minutes without a mail host a confirmation leaves within 15 seconds', async ({ host: play }) => {
  const { url } = await play(host.script)
  const house = await readerHouse(database.pool)
  const sender = await openNoticeSender(database.pool, { smtpUrl: url })
  await follow(house, newsroom, 'kari@example.org')
  moveTheClock()
  const late = await playOutage(async () => {
    await database.pool.query(`update notices set state = 'due', next_at = now()`)
    await sender.workAtOnce()
    const { rows } = await database.pool.query<{ state: string; attempt: number; wait: number }>(
      'select state, attempt, extract(epoch from next_at - now())::float8 as wait from notices',
    )
    const { state, attempt, wait } = rows[0]!
    expect(attempt).toBe(state === 'sent' ? 1 : 0)
    return state === 'sent' ? null : wait
  })
  expect(late).toBeLessThanOrEqual(promised)
  expect(mostInAMinute(host.knocks)).toBeLessThanOrEqual(mostKnocks)
  await sender.close()
  await house.app.close()
})

test('however many letters come, a host that is away is not knocked at more often, and told of once in ten minutes', async ({
  host: play,
  transport,
}) => {
  const lines: string[] = []
  const note = (_: object, line: string) => void lines.push(line)
  const log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note } as unknown as Log
  const { url } = await play(host.script)
  moveTheClock()
  const { send, close } = transport(url, { connections: 20, log })
  host.returnFrom = performance.now() + 15 * minute
  for (let kind = ''; kind !== 'accepted'; ) {
    vi.advanceTimersByTime(100)
    kind = (await send(letterTo('kari@mail.example'))).kind
    expect(performance.now()).toBeLessThan(host.returnFrom + promised)
  }
  expect(performance.now() - host.backAt).toBeLessThanOrEqual(5_000)
  expect(mostInAMinute(host.knocks)).toBeLessThanOrEqual(mostKnocks)
  expect(lines.filter((line) => line === 'the mail host cannot be reached')).toHaveLength(2)
  await close()
})

test('a name that DNS takes its time over is asked for once, however many connections want it', async () => {
  const answers: (() => void)[] = []
  const lookup = openSharedLookup((_host, _options, callback) => {
    answers.push(() => callback(null, '192.0.2.1', 4))
  })
  const ask = () =>
    new Promise((resolve) => lookup('mail.example', { all: false }, (_error, address) => resolve(address)))
  const both = [ask(), ask()]
  expect(answers).toHaveLength(1)
  answers[0]!()
  expect(await Promise.all(both)).toEqual(['192.0.2.1', '192.0.2.1'])
  void ask()
  expect(answers).toHaveLength(2)
})

test('a mail host whose name leads nowhere costs no reader an attempt', async ({ transport }) => {
  expect(await transport('smtp://nowhere.invalid').send(letterTo('kari@mail.example'))).toMatchObject({
    kind: 'unreachable',
    phase: 'connect',
  })
  const engine = openEngine(database.pool, 'smtp://nowhere.invalid')
  await givenReaders(database.pool, newsroom, 5)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await engine.send(mailingId)
  const { rows } = await database.pool.query('select distinct state, attempt from deliveries where mailing_id = $1', [
    mailingId,
  ])
  expect(rows).toEqual([{ state: 'due', attempt: 0 }])
  await engine.close()
})

test('trouble with the mail host is told when it begins and once in ten minutes, and names no address', () => {
  const lines: string[] = []
  const note = (about: object, line = '') => void lines.push(`${JSON.stringify(about)} ${line}`)
  const circuit = openRelayCircuit({ warn: note, info: note } as unknown as Log)
  moveTheClock()
  const fail = (minutes: number) => {
    for (const end = performance.now() + minutes * minute; performance.now() < end; vi.advanceTimersByTime(1_000))
      circuit.tellTrouble('mail: 550 <b+17@mail.example>: sender rejected')
  }
  fail(9)
  expect(lines).toHaveLength(1)
  expect(lines[0]).not.toContain('b+17@')
  fail(2)
  expect(lines).toHaveLength(2)
  circuit.tellSuccess()
  expect(lines.at(-1)).toContain('can be used again')
})

test('a mail host that answers nothing for a minute is trouble, told once, until it answers', () => {
  const lines: string[] = []
  const note = (about: object, line = '') => void lines.push(`${JSON.stringify(about)} ${line}`)
  const circuit = openRelayCircuit({ warn: note, info: note } as unknown as Log)
  moveTheClock()
  const wait = (seconds: number) => {
    for (let second = 0; second < seconds; second += 5) {
      vi.advanceTimersByTime(5_000)
      circuit.tellSilence()
    }
  }
  wait(60)
  expect([circuit.standing().trouble, lines]).toEqual([null, []])
  wait(60)
  expect(circuit.standing().trouble).toMatchObject({ detail: 'it takes connections, and answers nothing', triedMs: 0 })
  expect(lines).toHaveLength(1)
  // Nobody's letter is kept from being tried.
  expect(circuit.rest()).toBe(0)
  circuit.tellAnswer()
  expect(circuit.standing().trouble).toBe(null)
  circuit.tellSuccess()
  expect(lines.slice(1)).toEqual([expect.stringContaining('can be used again')])
  // A letter that is taken, one of another queue too, is an answer.
  wait(120)
  circuit.tellSuccess()
  expect(circuit.standing().trouble).toBe(null)
  // A moment of silence long after another is a moment.
  wait(10)
  vi.advanceTimersByTime(20 * minute)
  circuit.tellSilence()
  expect(circuit.standing().trouble).toBe(null)
})
