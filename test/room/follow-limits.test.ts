import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readProof } from '../../services/api/reader/challenge.ts'
import { acceptedLanguages } from '../../services/api/reader/page-language.ts'
import { networksOf } from '../../shared/budget/network.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { parseAddress, withoutBlanksAround } from '../../shared/subscriber/address.ts'
import { maskAddresses } from '../../shared/subscriber/mask-address.ts'
import { readOffers } from '../../shared/transport/smtp-commands.ts'
import { readReplies, toReply } from '../../shared/transport/smtp-reply.ts'
import type { Reply } from '../../shared/transport/transport.ts'
import { judgeOutcome } from '../../workers/mailer/judge-outcome.ts'
import { readReply } from '../../workers/mailer/reply-rules.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type ReaderHouse, readerHouse, rowsOf } from '../rig/reader-house.ts'

let database: TestDatabase
let house: ReaderHouse
let newsroom: Newsroom
let port: number

beforeAll(async () => {
  database = await openTestDatabase()
  house = await readerHouse(database.pool)
  newsroom = await givenNewsroom(database.pool)
  await house.app.listen({ host: '127.0.0.1', port: 0 })
  port = (house.app.server.address() as { port: number }).port
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const door = () => `/newsrooms/${newsroom.slug}/subscriptions`

describe('oversized', () => {
  test.each([
    ['a form', 'application/x-www-form-urlencoded', (megabyte: string) => `email=${megabyte}`],
    ['JSON', 'application/json', (megabyte: string) => JSON.stringify({ email: megabyte })],
    [
      'a form in parts',
      'multipart/form-data; boundary=pb',
      (megabyte: string) => `--pb\r\nContent-Disposition: form-data; name="email"\r\n\r\n${megabyte}\r\n--pb--\r\n`,
    ],
  ])('an address of a megabyte in %s is refused unread, and leaves nothing', async (_what, type, body) => {
    const before = await rowsOf(database.pool)
    const answer = await house.app.inject({
      ...{ method: 'POST', url: door(), headers: { 'content-type': type } },
      payload: body(`${'a@'.repeat(500_000)}example.org`),
    })
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([
      413,
      'application/problem+json; charset=utf-8',
    ])
    expect(await rowsOf(database.pool)).toBe(before)
  })

  test('a thousand topics, a token of a thousand kilobytes and a header of nonsense are refused plainly', async () => {
    const many = new URLSearchParams({ email: 'a@example.org' })
    for (let n = 0; n < 1_000; n++) many.append('topics', `t${n}`)
    const form = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' }
    expect(
      (await house.app.inject({ method: 'POST', url: door(), headers: form, payload: many.toString() })).statusCode,
    ).toBe(422)
    expect((await house.app.inject(`/confirm/${'A'.repeat(1_000_000)}`)).statusCode).toBe(400)
    const odd = { ...form, 'accept-language': 'a,'.repeat(3_000), origin: 'x'.repeat(8_000) }
    expect(
      (await house.app.inject({ method: 'POST', url: door(), headers: odd, payload: 'email=a%40example.org' }))
        .statusCode,
    ).toBe(428)
  })
})

describe('slow', () => {
  test('two hundred bodies that never end hold up nobody, and are to be ended after twenty seconds', async () => {
    const head = `POST ${door()} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"email":"`
    const sockets = await Promise.all(
      Array.from(
        { length: 200 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect(port, '127.0.0.1', () => socket.write(head, () => resolve(socket)))
            socket.on('error', () => {})
          }),
      ),
    )
    const base = `http://127.0.0.1:${port}`
    expect((await fetch(`${base}/livez`)).status).toBe(200)
    const body = JSON.stringify({ email: 'quick@example.org' })
    const quick = await fetch(base + door(), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(quick.status).toBe(202)
    for (const socket of sockets) socket.destroy()
    // Moving the machine's clock is not ours to do: what Node is told to enforce is.
    const { requestTimeout, headersTimeout } = house.app.server
    expect([requestTimeout, headersTimeout > 0 && headersTimeout <= 60_000]).toEqual([20_000, true])
  })
})

describe('regular expressions', () => {
  // Counted, not timed against a clock: ten times the text may cost some ten times the work, never a hundred.
  const texts = (length: number) => [
    'a'.repeat(length),
    'a.'.repeat(length / 2),
    `${'a'.repeat(length)}@`,
    `a@${'a.'.repeat(length / 2)}`,
    `a@${'a-'.repeat(length / 2)}`,
    '0:'.repeat(length / 2),
    '.1'.repeat(length / 2),
    `x;q=${'1.'.repeat(length / 2)}`,
    ' '.repeat(length),
    `x${' '.repeat(length - 2)}x`,
    '='.repeat(length),
    // Begins what the rules for a mail host's words look for, and never ends it.
    ''.padEnd(length, 'sender address of user is '),
  ]
  const readers: readonly (readonly [string, (text: string) => unknown])[] = [
    ['an address', parseAddress],
    ['an address with blanks around it', withoutBlanksAround],
    ['a network', networksOf],
    ['accepted languages', acceptedLanguages],
    ['a proof', (text) => readProof(house.deps.links, newsroom.id, text, new Date())],
    ['what a mail host says', hear],
    ['what a mail host offers', (text) => readOffers(['host.example', text, text])],
    ['a reply', (text) => toReply(550, [`5.1.1 ${text}`, text])],
    ['what a refusal means', (text) => readReply('rcpt', { code: 550, enhanced: null, text })],
    ['what is kept of a refusal', (text) => judge({ code: 451, enhanced: '4.7.1', text })],
    ['a reply for the addresses in it', maskAddresses],
  ]

  /** Reads a packet of replies, a line of the text in each, to its end. */
  function hear(text: string): void {
    const replies = readReplies()
    replies.feed(Buffer.from(text.replace(/.{1,60}/g, '250 $&\r\n')))
    while (replies.next() > 0) replies.lines()
  }

  function judge(reply: Reply): unknown {
    const given = { attempt: 1, curve: { firstWait: 300, window: 172_800 }, doubt: 'resend', chance: 0 } as const
    return judgeOutcome({ kind: 'refused', phase: 'dot', reply }, given)
  }

  test.each(readers)('reading %s grows no faster than its text', async (_what, read) => {
    const work = (length: number) => {
      const spent = texts(length).map((text) => {
        const began = process.cpuUsage()
        for (let time = 0; time < 20; time++) read(text)
        const { user } = process.cpuUsage(began)
        return user
      })
      return Math.max(...spent)
    }
    // The least of three: what V8 collects meanwhile is counted with whatever is being read.
    const least = (length: number) => Math.min(work(length), work(length), work(length))
    work(1_000)
    const [short, long] = [least(5_000), least(50_000)]
    // A backtracking expression takes a hundred times as long here, or for ever; the floor is for what is too quick to tell.
    expect(long).toBeLessThan(Math.max(short, 3_000) * 50)
  })
})
