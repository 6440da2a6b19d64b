import { beforeAll, expect, test } from 'vitest'
import { fillLetter } from '../../shared/letter/fill.ts'
import type { PreparedLetter, ReaderSlots } from '../../shared/letter/letter.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Outcome, Outgoing } from '../../shared/transport/transport.ts'
import { type Composed, type ComposedRow, openSigningTransport } from '../../workers/mailer/signing-transport.ts'
import { givenIdentity } from '../given/dkim.ts'
import { scriptedTransport } from '../rig/scripted-transport.ts'

const accepted: Outcome = { kind: 'accepted', reply: { code: 250, enhanced: null, text: 'OK' } }
const now = () => new Date()

/** A mail host that answers when it is told to, and what was said in the log. */
function openRig(most: number) {
  const atHost: { letter: Outgoing; answer: (outcome: Outcome) => void }[] = []
  const said: { level: string; about: object }[] = []
  const say = (level: string) => (about: object) => void said.push({ level, about })
  const transport = scriptedTransport((letter) => new Promise((answer) => atHost.push({ letter, answer })))
  const log = { warn: say('warn'), error: say('error') } as unknown as Log
  return { atHost, said, signing: openSigningTransport({ transport, log, now }, givenIdentity(), most) }
}

const preparedFrom = (sender: string): PreparedLetter => ({
  language: 'nb',
  subject: '',
  segments: [`From: <${sender}>\r\nTo: `, '\r\n\r\nHei\r\n'].map((part) => Buffer.from(part)),
  slots: ['to'],
})
let prepared: PreparedLetter
beforeAll(() => {
  prepared = preparedFrom('presse@havneby.example')
})

function letterTo(to: string, more: Partial<Composed & Outgoing> = {}): Composed & Outgoing {
  const reader = { to, messageId: 'x', date: 'x', token: 'x' }
  const of = more.prepared ?? prepared
  return {
    envelope: { from: 'b@mail.example', to },
    parts: fillLetter(of, reader),
    mayStart: () => true,
    prepared: of,
    reader,
    ...more,
  }
}

/** A row to so many readers; `opened` counts those that were taken to be signed, `told` what became of each. */
function rowTo(length: number, more: Partial<ComposedRow> = {}) {
  const told: (Outcome | undefined)[] = new Array(length).fill(undefined)
  const seen = { opened: 0, told }
  const row: ComposedRow = {
    length,
    until: Number.POSITIVE_INFINITY,
    mayStart: () => true,
    open: (place) => {
      seen.opened += 1
      return letterTo(`r${place}@readers.example`)
    },
    settle: (place, outcome) => {
      told[place] = outcome
    },
    ...more,
  }
  return { row, seen }
}

test('no more letters are signed than are under way, however many wait', async () => {
  const { atHost, signing } = openRig(8)
  const { row, seen } = rowTo(30)
  const whole = signing.sendRow(row)
  await expect.poll(() => atHost.length).toBe(8)
  expect(seen.opened).toBe(8)
  for (let answered = 0; answered < 30; answered += 1) {
    await expect.poll(() => atHost.length).toBeGreaterThan(answered)
    expect(seen.opened).toBeLessThanOrEqual(answered + 8)
    atHost[answered]!.answer(accepted)
  }
  await whole
  expect(seen.told).toEqual(Array.from({ length: 30 }, () => accepted))
})

test('a letter by itself does not wait for the rows before it, and these take turns', async () => {
  const { atHost, signing } = openRig(4)
  void signing.sendRow(rowTo(20).row)
  const another = rowTo(20, { open: (place) => letterTo(`other${place}@readers.example`) })
  void signing.sendRow(another.row)
  void signing.send(letterTo('confirmation@readers.example'))
  await expect.poll(() => atHost.length).toBe(4)
  for (const { answer } of atHost.slice()) answer(accepted)
  await expect.poll(() => atHost.length).toBe(8)
  const order = atHost.map(({ letter }) => letter.envelope.to.split('@')[0])
  expect(order.slice(0, 4).sort()).toEqual(['r0', 'r1', 'r2', 'r3'])
  expect(order.slice(4).sort()).toEqual(['confirmation', 'other0', 'r4', 'r5'])
})

test('those of a row that may begin no more are told so, though the host takes none', async () => {
  const { atHost, signing } = openRig(4)
  const { row, seen } = rowTo(10, { until: performance.now() + 200 })
  void signing.sendRow(row)
  await expect.poll(() => seen.told.filter((outcome) => outcome?.kind === 'not-started').length).toBe(6)
  expect([atHost.length, seen.opened]).toEqual([4, 4])
})

test('a letter that may start no more once it is signed is not handed over', async () => {
  const { atHost, signing } = openRig(4)
  let isOpen = true
  const outcome = signing.send(letterTo('late@readers.example', { mayStart: () => isOpen }))
  isOpen = false
  expect(await outcome).toEqual({ kind: 'not-started' })
  expect(atHost).toEqual([])
})

test('once it is closing, nothing more is signed, and all that waited is told so', async () => {
  const { atHost, signing } = openRig(4)
  const { row, seen } = rowTo(10)
  void signing.sendRow(row)
  await expect.poll(() => atHost.length).toBe(4)
  void signing.close()
  expect(seen.told.slice(4)).toEqual(Array.from({ length: 6 }, () => ({ kind: 'not-started' })))
  expect(seen.opened).toBe(4)
})

test('what the threads have in hand as it closes was not begun, and nobody is told of trouble', async () => {
  const { atHost, said, signing } = openRig(200)
  const { row, seen } = rowTo(100)
  void signing.sendRow(row)
  await signing.close()
  await expect.poll(() => seen.told.every((outcome) => outcome?.kind === 'not-started')).toBe(true)
  expect([atHost.length, said]).toEqual([0, []])
})

test('a letter whose reader has left once it is signed is not handed over, and its neighbours are', async () => {
  const { atHost, signing } = openRig(8)
  const { row, seen } = rowTo(2, { mayStart: (place) => place !== 0 })
  void signing.sendRow(row)
  await expect.poll(() => atHost.map(({ letter }) => letter.envelope.to)).toEqual(['r1@readers.example'])
  expect(seen.told[0]).toEqual({ kind: 'not-started' })
})

test('letters whose thread ended are told as trouble with nobody’s letter, and the next leave', async () => {
  const { atHost, said, signing } = openRig(4)
  const unfit = {
    to: 'x',
    messageId: 'x',
    date: 'x',
    token: () => 'no thread can be given this',
  } as unknown as ReaderSlots
  const outcome = await signing.send(letterTo('ada@readers.example', { reader: unfit }))
  expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'connect' })
  expect(said.map(({ level }) => level)).toEqual(['error'])
  for (let n = 0; n < 4; n += 1) void signing.send(letterTo(`next${n}@readers.example`))
  await expect.poll(() => atHost.length).toBe(4)
})

test('a letter whose time ran out while it waited is not signed and not handed over', async () => {
  const { atHost, signing } = openRig(1)
  let isOpen = true
  const first = signing.send(letterTo('first@readers.example'))
  const late = [1, 2, 3].map((n) => signing.send(letterTo(`late${n}@readers.example`, { mayStart: () => isOpen })))
  await expect.poll(() => atHost.length).toBe(1)
  isOpen = false
  atHost[0]!.answer(accepted)
  expect(await first).toEqual(accepted)
  expect(await Promise.all(late)).toEqual(late.map(() => ({ kind: 'not-started' })))
  expect(atHost).toHaveLength(1)
})

test('a letter keeps its envelope and its bytes', async () => {
  const { atHost, signing } = openRig(1)
  const letter = letterTo('ada@readers.example', { beforeDot: () => true, stands: () => false })
  void signing.send(letter)
  await expect.poll(() => atHost.length).toBe(1)
  const [{ letter: sent }] = atHost as [(typeof atHost)[number]]
  expect(sent.envelope).toEqual(letter.envelope)
  expect([sent.beforeDot, sent.stands]).toEqual([letter.beforeDot, letter.stands])
  expect(sent.parts.slice(1)).toEqual(letter.parts)
  expect(sent.parts[0]!.toString()).toMatch(/^DKIM-Signature: [\s\S]*\r\n$/)
})

test('a sender whom DMARC does not count to the signer is warned of once', async () => {
  const { atHost, said, signing } = openRig(9)
  const stranger = preparedFrom('presse@annenby.example')
  const kin = preparedFrom('presse@nyheter.havneby.example')
  for (const of of [stranger, stranger, kin, prepared, stranger])
    void signing.send(letterTo('ada@readers.example', { prepared: of }))
  await expect.poll(() => atHost.length).toBe(5)
  expect(said).toEqual([{ level: 'warn', about: { from: 'annenby.example', signer: 'havneby.example' } }])
})

test('a letter that cannot be signed costs no reader an attempt, and is told of', async () => {
  const { atHost, said, signing } = openRig(1)
  const broken: PreparedLetter = {
    ...prepared,
    segments: [Buffer.from('From: <a@havneby.example>\r\nTo: '), Buffer.from('\r\n')],
  }
  expect(await signing.send(letterTo('ada@readers.example', { prepared: broken }))).toMatchObject({
    kind: 'unreachable',
    phase: 'connect',
  })
  expect(said.map(({ level }) => level)).toEqual(['error'])
  void signing.send(letterTo('next@readers.example'))
  await expect.poll(() => atHost.length).toBe(1)
})
