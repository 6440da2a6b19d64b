import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import type { Log } from '../../shared/log/log.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { openUnfitLetters } from '../../workers/mailer/unfit-letters.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { takeLetter, takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

let database: TestDatabase
/** What the host answers instead of 2xx; a test mends it by taking it away. */
let refusal: { to: 'MAIL' | 'RCPT' | 'dot'; reply: string; about?: string; after?: number } | null
let asked: string[]
let taken: string[]
let told: string[]

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  // The reconciler looks at everything there is; what an earlier test left is not this one's.
  await emptyTables(database.pool)
  refusal = null
  asked = []
  taken = []
  told = []
  // Rests go by the clock that is moved here.
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

async function script(wire: Wire): Promise<void> {
  await welcome(wire, 'PIPELINING')
  let reader = ''
  const answer = (to: string, otherwise: string): boolean => {
    const isRefused = refusal?.to === to && reader.includes(refusal.about ?? '') && taken.length >= (refusal.after ?? 0)
    wire.say(isRefused ? refusal!.reply : otherwise)
    return !isRefused
  }
  for (let isOpen = true; ; ) {
    const line = await wire.hear()
    if (line === 'QUIT') return wire.end()
    const verb = line.slice(0, 4)
    if (verb === 'MAIL') {
      asked.push(line)
      reader = ''
      isOpen = answer('MAIL', '250 ok')
    } else if (verb === 'RCPT') {
      reader = line.slice('RCPT TO:<'.length, line.indexOf('>'))
      isOpen = answer('RCPT', isOpen ? '250 ok' : '503 5.5.1 no sender') && isOpen
    } else if (line === 'DATA' && isOpen) {
      wire.say('354 go on')
      await wire.hearLetter()
      if (answer('dot', '250 2.0.0 taken')) taken.push(reader)
    } else wire.say(line === 'DATA' ? '503 5.5.1 no recipient' : '250 ok')
  }
}

function openOn(url: string): Engine {
  const note = (...about: unknown[]) => void told.push(about.reverse().map(text).join(' '))
  const text = (part: unknown) => (typeof part === 'string' ? part : JSON.stringify(part))
  const log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note } as unknown as Log
  return openEngine(database.pool, url, { circuit: openRelayCircuit(log), unfit: openUnfitLetters(log) })
}

async function givenThirty(): Promise<MailingId> {
  const newsroom = await givenNewsroom(database.pool)
  await givenReaders(database.pool, newsroom, 30)
  return (await givenMailing(database.pool, newsroom)).mailingId
}

async function ledgerOf(mailing: MailingId) {
  const { rows } = await database.pool.query<{ state: string; attempt: number; letters: number }>(
    `select state, attempt, count(*)::int as letters from deliveries where mailing_id = $1 group by 1, 2 order by 1, 2`,
    [mailing],
  )
  return rows
}

/** Rounds of the reconciler, each after the longest rest there is. */
async function goOn(engine: Engine, mailing: MailingId, isOver: () => boolean): Promise<void> {
  for (let round = 0; !isOver(); round += 1) {
    expect(round).toBeLessThan(20)
    vi.advanceTimersByTime(6_000)
    await database.pool.query(`update chunks set next_at = now() where mailing_id = $1 and state <> 'done'`, [mailing])
    await engine.reconcileAndSend()
  }
}

test.for([
  ['MAIL', '550 Sender rejected'],
  ['MAIL', '553 5.7.1 <b+1@mail.example>: sender is not known here'],
  ['MAIL', '452 4.3.1 Insufficient system storage'],
  ['RCPT', '553 5.7.1 <b+1@mail.example>: Sender address rejected: not owned by user ola'],
  ['dot', '554 Message rejected: Email address is not verified.'],
] as const)(
  'a mail host that answers %s with “%s” fails no letter and counts no attempt; told once, and all are sent once it is mended',
  async ([to, reply], { host }) => {
    const { url } = await host(script)
    const engine = openOn(url)
    const mailing = await givenThirty()
    refusal = { to, reply }
    await engine.send(mailing)
    await engine.reconcileAndSend()
    // A chunk that was not begun has no rows yet.
    expect(await ledgerOf(mailing)).toEqual([{ state: 'due', attempt: 0, letters: expect.any(Number) }])
    expect(asked.length).toBeGreaterThan(0)
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/^the mail host cannot be used; letters wait/)
    expect(told[0]).not.toContain('b+1@')

    refusal = null
    await goOn(engine, mailing, () => taken.length === 30)
    expect(await ledgerOf(mailing)).toEqual([{ state: 'sent', attempt: 1, letters: 30 }])
    expect(new Set(taken).size).toBe(30)
    expect(told.slice(1)).toEqual(['the mail host can be used again'])
    await engine.close()
  },
)

test('a letter too large for the mail host fails for each reader, and the operator is told once', async ({ host }) => {
  const { url } = await host(script)
  const engine = openOn(url)
  const mailing = await givenThirty()
  refusal = { to: 'MAIL', reply: '552 5.3.4 Message size exceeds fixed limit' }
  await engine.send(mailing)
  expect(await ledgerOf(mailing)).toEqual([{ state: 'failed', attempt: 1, letters: 30 }])
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^the mail host refuses letters for their size or form .*552 5\.3\.4/)
  const { rows } = await database.pool.query('select reason from suppressions')
  expect(rows).toEqual([])
  await engine.close()
})

test('a mail host that refuses every recipient without a word why fails no letter and suppresses nobody', async ({
  host,
}) => {
  const { url } = await host(script)
  const engine = openOn(url)
  const mailing = await givenThirty()
  refusal = { to: 'RCPT', reply: '554 no' }
  await engine.send(mailing)
  expect(await ledgerOf(mailing)).toEqual([{ state: 'deferred', attempt: 1, letters: 30 }])
  const { rows } = await database.pool.query('select reason from suppressions')
  expect(rows).toEqual([])
  await engine.close()
})

test('one reader whom the mail host will not relay to stops nobody else’s letters, and is tried again like any refused for now', async ({
  host,
}) => {
  const { url } = await host(script)
  const engine = openOn(url)
  await engine.send(await givenThirty())
  expect(taken).toHaveLength(30)
  const mailing = await givenThirty()
  refusal = { to: 'RCPT', reply: '554 5.7.1 Relay access denied', about: 'reader7@' }
  await engine.send(mailing)
  expect(await ledgerOf(mailing)).toEqual([
    { state: 'deferred', attempt: 1, letters: 1 },
    { state: 'sent', attempt: 1, letters: 29 },
  ])
  expect(told).toEqual([])
  await engine.close()
})

test('the last letter of all, which the mail host will not relay, goes by the curve and is not called trouble with the host', async ({
  host,
}) => {
  const { url } = await host(script)
  const engine = openOn(url)
  const newsroom = await givenNewsroom(database.pool)
  await givenReaders(database.pool, newsroom, 2)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  refusal = { to: 'RCPT', reply: '554 5.7.1 Relay access denied' }
  const nextTry = async () => {
    await database.pool.query('update deliveries set until = now() where until is not null')
    await database.pool.query(`update chunks set next_at = now() where state <> 'done'`)
    vi.advanceTimersByTime(6_000)
    await engine.reconcileAndSend()
  }
  // Until a third is refused it might be for all of them.
  await engine.send(mailingId)
  expect(await ledgerOf(mailingId)).toEqual([{ state: 'due', attempt: 0, letters: 2 }])
  await nextTry()
  expect(await ledgerOf(mailingId)).toEqual([{ state: 'deferred', attempt: 1, letters: 2 }])
  await nextTry()
  expect(await ledgerOf(mailingId)).toEqual([{ state: 'deferred', attempt: 2, letters: 2 }])
  expect(asked.length).toBeLessThanOrEqual(6)
  expect(told).toEqual([])
  expect(engine.mailer.circuit.standing().trouble).toBeNull()
  await engine.close()
})

test('a mail host that takes only so many letters a second costs no attempt, and is used as fast as it allows', async ({
  host,
}) => {
  vi.useRealTimers()
  const { url } = await host(script)
  const engine = openOn(url)
  const mailing = await givenThirty()
  refusal = { to: 'dot', reply: '454 Throttling failure: Maximum sending rate exceeded.', after: 6 }
  const grant = setInterval(() => {
    refusal = { ...refusal!, after: taken.length + 6 }
  }, 500)
  // No round of the reconciler, which comes every five seconds only, is needed for the next letters.
  await engine.send(mailing)
  clearInterval(grant)
  expect(await ledgerOf(mailing)).toEqual([{ state: 'sent', attempt: 1, letters: 30 }])
  expect(new Set(taken).size).toBe(30)
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^the mail host takes only so many letters a second .*Maximum sending rate/)
  expect(engine.mailer.circuit.standing().trouble).toBeNull()
  await engine.close()
})

test('a letter of which the mail host will not hear at MAIL FROM is not offered again and again while others are taken', async ({
  host,
}) => {
  const { url } = await host(async (wire) => {
    await welcome(wire)
    for (let place = 0; ; ) {
      const line = await wire.hear()
      if (line === 'QUIT') return wire.end()
      if (line.startsWith('MAIL')) {
        asked.push(line)
        place = asked.length
        wire.say(place % 10 === 0 ? '550 no' : '250 ok')
      } else if (line === 'DATA') {
        wire.say('354 go on')
        await wire.hearLetter()
        taken.push(String(place))
        wire.say('250 ok')
      } else wire.say('250 ok')
    }
  })
  const engine = openOn(url)
  const mailing = await givenThirty()
  await engine.send(mailing)
  // Its chunk rests after each try, whatever becomes of the others.
  const before = asked.length
  await engine.reconcileAndSend()
  expect(asked.length).toBe(before)
  await goOn(engine, mailing, () => taken.length === 30)
  expect(await ledgerOf(mailing)).toEqual([{ state: 'sent', attempt: 1, letters: 30 }])
  await engine.close()
})

test('a host that ends a connection with 421 because it has carried enough letters costs none of them an attempt', async ({
  host,
  transport,
}) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    for (let letter = 0; ; ) {
      const line = await wire.hear()
      if (line === 'QUIT') return wire.end()
      if (line.startsWith('MAIL') && letter === 5) return wire.say('421 4.7.0 enough for one connection')
      wire.say(line === 'DATA' ? '354 go on' : '250 ok')
      if (line !== 'DATA') continue
      await wire.hearLetter()
      letter += 1
      wire.say('250 ok')
    }
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(Array.from({ length: 30 }, (_, n) => send(letterTo(`reader${n}@mail.example`))))
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['accepted']))
  expect(heard.length).toBeLessThanOrEqual(7)
})

test('a letter that is the last straw for one connection after another is no trouble of the host’s', async ({
  host,
  transport,
}) => {
  const bothFull = signal()
  let full = 0
  const { url } = await host(async (wire, nth) => {
    await welcome(wire)
    if (nth > 2) return takeLetters(wire)
    await takeLetter(wire)
    full += 1
    if (full === 2) bothFull.give()
    // No letter more before both have had one: the third is offered to the one, and then to the other.
    await bothFull.given
    await wire.hear()
    wire.say('421 4.7.0 enough for one connection')
    await wire.hearEnd()
  })
  const { send } = transport(url, { connections: 2 })
  const first = await Promise.all([1, 2].map((n) => send(letterTo(`reader${n}@mail.example`))))
  const outcomes = [...first, await send(letterTo('reader3@mail.example'))]
  expect(outcomes.map(({ kind }) => kind)).toEqual(Array(3).fill('accepted'))
})

test('letters that wait while each connection is dropped under another one are told that there was none', async ({
  host,
  transport,
}) => {
  const { url } = await host(async (wire) => {
    await welcome(wire)
    await wire.hear()
    wire.say('250 ok')
    await wire.hear()
    wire.cut()
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => send(letterTo(`reader${n}@mail.example`))))
  expect(outcomes.slice(0, 3).map((outcome) => 'phase' in outcome && outcome.phase)).toEqual(['rcpt', 'rcpt', 'rcpt'])
  expect(new Set(outcomes.slice(3).map((outcome) => 'phase' in outcome && outcome.phase))).toEqual(new Set(['connect']))
})
