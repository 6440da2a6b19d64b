import { beforeAll, expect, test } from 'vitest'
import { fillLetter } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Outcome, Outgoing } from '../../shared/transport/transport.ts'
import { type Composed, openSigningTransport } from '../../workers/mailer/signing-transport.ts'
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

test('no more letters are signed than are under way, however many wait', async () => {
  const { atHost, signing } = openRig(5)
  let asked = 0
  const outcomes = Array.from({ length: 20 }, (_, n) =>
    signing.send(letterTo(`r${n}@readers.example`, { mayStart: () => ++asked > 0 })),
  )
  await expect.poll(() => atHost.length).toBe(5)
  expect(asked).toBe(5)
  atHost[0]!.answer(accepted)
  await expect.poll(() => atHost.length).toBe(6)
  // One that comes now finds no turn free either.
  outcomes.push(signing.send(letterTo('newcomer@readers.example', { mayStart: () => ++asked > 0 })))
  await new Promise((resolve) => setImmediate(resolve))
  expect(asked).toBe(6)
  for (let answered = 0; answered < 21; answered += 1) {
    await expect.poll(() => atHost.length).toBeGreaterThan(answered)
    atHost[answered]!.answer(accepted)
  }
  expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 21 }, () => accepted))
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

test('a letter keeps its envelope, its bytes and its leave to start', async () => {
  const { atHost, signing } = openRig(1)
  const letter = letterTo('ada@readers.example')
  void signing.send(letter)
  await expect.poll(() => atHost.length).toBe(1)
  const [{ letter: sent }] = atHost as [(typeof atHost)[number]]
  expect(sent.envelope).toEqual(letter.envelope)
  expect(sent.mayStart).toBe(letter.mayStart)
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
