import { createHash, generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type DkimAlgorithm, type DkimIdentity, makeDkimKey } from '../../shared/dkim/dkim-key.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter, ReaderSlots, Slot } from '../../shared/letter/letter.ts'
import { openSigner } from '../../workers/mailer/signer.ts'
import { lettersAtOnce } from '../../workers/mailer/signing-thread.ts'
import { givenIdentity, recordsOf } from '../given/dkim.ts'
import { verifyByMailauth } from '../rig/dkim-verifiers.ts'

const identity = givenIdentity()
const now = () => new Date('2026-11-03T08:05:30Z')
const signer = openSigner(identity, now)
afterAll(() => signer.close())
const signedFor = async (prepared: PreparedLetter, reader: ReaderSlots) =>
  (await signer.sign([{ prepared, reader }]))[0]!

describe('a letter signed in parts', () => {
  const reader: ReaderSlots = {
    to: 'ada@readers.example',
    messageId: 'abc@mail.example',
    date: 'Tue, 03 Nov 2026 08:05:30 +0000',
    token: 'Ab0_-'.repeat(12).padEnd(64, 'z'),
  }

  const line = fc
    .array(fc.constantFrom('word', 'a', ' ', '  ', '\t', '=C3=A5', '=', ':', '..'), { maxLength: 6 })
    .map((words) => words.join(''))
  const text = fc.array(line, { maxLength: 6 }).map((lines) => lines.map(stuffed).join('\r\n'))
  const body = fc.array(text, { minLength: 1, maxLength: 5 })
  // As the wire has it, where a dot that begins a line is doubled; the letter a mailbox gets has one.
  const stuffed = (written: string) => written.replace(/^\./, '..')
  const unstuffed = (wire: string) => wire.replace(/\r\n\.\./g, '\r\n.')

  async function signed(prepared: PreparedLetter) {
    const signature = await signedFor(prepared, reader)
    const wire = letterBytes(prepared, reader).toString()
    return { letter: signature + unstuffed(wire), bodyHash: /bh=([^;]+);/.exec(signature)![1] }
  }

  test('has the hash of the letter as a whole, wherever a reader’s values stand in it', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (texts) => {
        const head = 'From: Havneby <presse@havneby.example>\r\nTo: x\r\n\r\nFirst line\r\n'
        const slots: Slot[] = texts.slice(1).map(() => 'token')
        const segments = texts.map((part, n) => Buffer.from(n === 0 ? head + part : part))
        const { letter, bodyHash } = await signed({ language: 'nb', subject: '', segments, slots })
        const received = letter.slice(letter.indexOf('\r\n\r\n') + 4)
        expect(bodyHash).toBe(createHash('sha256').update(canonicalByLine(received)).digest('base64'))
      }),
      { numRuns: 400 },
    )
  })

  test('is verified with a reader’s value at the end of a line, alone on it, twice in a row and last of all', async () => {
    for (const [before, between, after] of [
      ['', '\r\n', '\r\n'],
      ['See  ', '  \r\n\t', ' \r\n\r\n'],
      ['', '', ''],
      ['x', ' ', '\r\n\r\n\r\n'],
    ] as const) {
      const head = 'From: <presse@havneby.example>\r\nSubject:  folded\r\n\there  \r\nTo: '
      const segments = [head, `\r\n\r\nFirst\r\n${before}`, between, after].map((part) => Buffer.from(part))
      const { letter } = await signed({ language: 'nb', subject: '', segments, slots: ['to', 'token', 'token'] })
      const ended = letter.endsWith('\r\n') ? letter : `${letter}\r\n`
      const verified = await verifyByMailauth(ended, recordsOf(identity))
      expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
    }
  })

  test('takes a name that is there twice from the last one up', async () => {
    const head = 'From: <presse@havneby.example>\r\nList-Id: first\r\nTo: '
    const segments = [head, '\r\nList-Id: second\r\nMessage-ID: <', '>\r\n\r\nBody\r\n'].map((part) =>
      Buffer.from(part),
    )
    const { letter } = await signed({ language: 'nb', subject: '', segments, slots: ['to', 'messageId'] })
    const verified = await verifyByMailauth(letter, recordsOf(identity))
    expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
  })

  test('holds a reader whose address is not written in ASCII', async () => {
    const segments = ['From: <presse@havneby.example>\r\nTo: ', '\r\n\r\nBody\r\n'].map((part) => Buffer.from(part))
    const prepared: PreparedLetter = { language: 'nb', subject: '', segments, slots: ['to'] }
    const somebody = { ...reader, to: 'bjørg@readers.example' }
    const signature = Buffer.from(await signedFor(prepared, somebody))
    const letter = Buffer.concat([signature, letterBytes(prepared, somebody)])
    const verified = await verifyByMailauth(letter, recordsOf(identity))
    expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
  })

  test('without a body is not signed', async () => {
    const prepared: PreparedLetter = {
      language: 'nb',
      subject: '',
      segments: [Buffer.from('From: <a@b.example>\r\n')],
      slots: [],
    }
    await expect(signedFor(prepared, reader)).rejects.toThrow('without a body')
  })
})

describe('the threads that sign', () => {
  const reader: ReaderSlots = { to: 'ada@readers.example', messageId: 'x', date: 'x', token: 'x' }
  const numbered = (n: number): PreparedLetter => ({
    language: 'nb',
    subject: '',
    segments: [`From: <presse@havneby.example>\r\nSubject: ${n}\r\nTo: `, `\r\n\r\nBody ${n}\r\n`].map((part) =>
      Buffer.from(part),
    ),
    slots: ['to'],
  })

  test('sign letters of more mailings than they keep in mind, each as what it is', async () => {
    const mailings = Array.from({ length: 50 }, (_, n) => numbered(n))
    for (const _ of [1, 2]) {
      const together = await Promise.all(
        [0, 10, 20, 30, 40].map((from) =>
          signer.sign(mailings.slice(from, from + 10).map((prepared) => ({ prepared, reader }))),
        ),
      )
      const signatures = together.flat()
      expect(signatures).toHaveLength(50)
      for (const [n, signature] of signatures.entries()) {
        const verified = await verifyByMailauth(
          signature + letterBytes(mailings[n]!, reader).toString(),
          recordsOf(identity),
        )
        expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
      }
    }
  })

  test('that end with letters in hand tell so, and the next letter has another', async () => {
    const another = openSigner(identity, now)
    const inHand = another.sign([{ prepared: numbered(1), reader }])
    const told = expect(inHand).rejects.toThrow('the thread that signs letters ended')
    await another.close()
    await told
    expect(await another.sign([{ prepared: numbered(1), reader }])).toHaveLength(1)
    await another.close()
  })

  test('are given fewer letters at once where a signature takes long', async () => {
    const identities = ['ed25519', 'rsa'].map((kind): DkimIdentity => {
      const privateKey =
        kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey : makeDkimKey('ed25519-sha256')
      return { ...identity, keys: [{ algorithm: `${kind}-sha256` as DkimAlgorithm, selector: 's', privateKey }] }
    })
    const atOnce: number[] = []
    for (const one of identities) {
      const timed = openSigner(one, now, 1)
      const seen: number[] = []
      for (let n = 0; n < 12; n += 1) {
        await timed.sign([{ prepared: numbered(1), reader }])
        seen.push(timed.atOnce())
      }
      // A machine that stands still for a moment makes every signature seem slow.
      atOnce.push(Math.max(...seen.slice(6)))
      await timed.close()
    }
    expect(atOnce[1]).toBeLessThan(atOnce[0]!)
    expect(atOnce[0]).toBeLessThanOrEqual(lettersAtOnce)
  })

  test('have room until each has two batches in hand', async () => {
    const two = openSigner(identity, now, 2)
    const rooms: boolean[] = []
    const signing: Promise<unknown>[] = []
    for (let n = 0; n < 4; n += 1) {
      rooms.push(two.hasRoom())
      signing.push(two.sign([{ prepared: numbered(n), reader }]))
    }
    expect([...rooms, two.hasRoom()]).toEqual([true, true, true, true, false])
    await Promise.all(signing)
    expect(two.hasRoom()).toBe(true)
    await two.close()
  })

  test.skipIf(process.platform !== 'linux')('are let go when nothing was signed for a minute', async () => {
    const threads = () => readdirSync('/proc/self/task').length
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const resting = openSigner(identity, now)
    try {
      await resting.sign([{ prepared: numbered(1), reader }])
      const running = threads()
      vi.advanceTimersByTime(60_000)
      await resting.sign([{ prepared: numbered(2), reader }])
      expect(threads()).toBe(running)
      vi.advanceTimersByTime(120_000)
      await vi.waitFor(() => expect(threads()).toBeLessThan(running))
      expect(await resting.sign([{ prepared: numbered(3), reader }])).toHaveLength(1)
    } finally {
      vi.useRealTimers()
      await resting.close()
    }
  })
})

/** RFC 6376 3.4.4 read line by line, apart from the code under test. */
function canonicalByLine(body: string): string {
  const lines = body.split('\r\n').map((line) =>
    line
      .split(/[ \t]+/)
      .join(' ')
      .replace(/ +$/, ''),
  )
  while (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `${line}\r\n`).join('')
}
