import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { relaxedBody, relaxedField } from '../../shared/dkim/relaxed.ts'
import { signLetter } from '../../shared/dkim/sign-letter.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter, ReaderSlots, Slot } from '../../shared/letter/letter.ts'
import { givenIdentity, recordsOf } from '../given/dkim.ts'
import { verifyByMailauth } from '../rig/dkim-verifiers.ts'

describe('the relaxed form', () => {
  test('is that of the example in RFC 6376 3.4.5', () => {
    expect(relaxedField('A: X')).toBe('a:X\r\n')
    expect(relaxedField('B : Y\t\r\n\tZ  ')).toBe('b:Y Z\r\n')
    expect(relaxedBody(' C \r\nD \t E\r\n\r\n\r\n')).toBe(' C\r\nD E\r\n')
  })

  test('of a body without a line is nothing, and of one without an end has one', () => {
    for (const body of ['', '\r\n', '\r\n\r\n', ' \t\r\n\r\n']) expect(relaxedBody(body)).toBe('')
    expect(relaxedBody('C')).toBe('C\r\n')
    expect(relaxedBody('\r\n\r\nC ')).toBe('\r\n\r\nC\r\n')
  })

  test('keeps what is no blank of its own kind', () => {
    expect(relaxedField('Subject: \u00a0a\u00a0\u00a0b\u00a0')).toBe('subject:\u00a0a\u00a0\u00a0b\u00a0\r\n')
    expect(relaxedField('X: a:b\r\n c')).toBe('x:a:b c\r\n')
  })
})

describe('a letter signed in parts', () => {
  const identity = givenIdentity()
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
    const signature = await signLetter(identity, prepared, reader, new Date())
    const wire = letterBytes(prepared, reader).toString()
    return { letter: signature.toString() + unstuffed(wire), bodyHash: /bh=([^;]+);/.exec(signature.toString())![1] }
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
    const signature = await signLetter(identity, prepared, somebody, new Date())
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
    await expect(signLetter(identity, prepared, reader, new Date())).rejects.toThrow('without a body')
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
