import { describe, expect } from 'vitest'
import { letterTo, test } from '../rig/hand-over.ts'
import { whyNoPostfix } from '../rig/postfix.ts'
import { expectEachOnce, letterRange, meaningOf, openPostfix, sessionsOf } from '../rig/postfix-proof.ts'
import { until } from '../rig/until.ts'

const noPostfix = whyNoPostfix()

describe.skipIf(noPostfix !== null)(`a real Postfix${noPostfix === null ? '' : ` (${noPostfix})`}`, () => {
  test('takes what it is given over one connection, letter behind letter', async ({ transport }) => {
    const postfix = await openPostfix()
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = letterRange(50)
    const outcomes = await Promise.all(letters.map(send))
    await close()
    await expectEachOnce(postfix, letters, outcomes)
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 mail=50 rcpt=50 data=50 quit=1 commands=152'])
  })

  test('knows no such readers: each is gone, and none is blamed for its breaking off after so many', async ({
    transport,
  }) => {
    // It ends a connection with 421 after twenty errors in a row.
    const postfix = await openPostfix({ settings: atOnce })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`, { connections: 2 })
    const unknown = Array.from({ length: 61 }, (_, at) => letterTo(`nobody${at}@mail.example`))
    const known = letterRange(9)
    const results = Promise.all(unknown.map(send))
    const outcomes = await Promise.all(known.map(send))
    for (const outcome of await results) {
      expect(outcome).toMatchObject({ kind: 'refused', phase: 'rcpt', reply: { code: 550, enhanced: '5.1.1' } })
      expect(meaningOf(outcome)).toBe('gone')
    }
    expect(postfix.log()).toContain('too many errors')
    await close()
    await expectEachOnce(postfix, known, outcomes)
  })

  test('says how much it takes: what is larger is not even begun', async ({ transport }) => {
    const postfix = await openPostfix({ settings: { message_size_limit: '20000' } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const large = letterTo('reader1@mail.example', {
      parts: [Buffer.from(`Subject: x\r\n\r\n${'ord\r\n'.repeat(4000)}`)],
    })
    const letters = letterRange(1)
    const [outcome, ...rest] = await Promise.all([large, ...letters].map(send))
    expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 552, enhanced: '5.3.4' } })
    expect(meaningOf(outcome)).toBe('letter')
    await close()
    await expectEachOnce(postfix, letters, rest)
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5'])
  })

  test('reports what it could not deliver under the id the letter was given', async ({ transport }) => {
    const postfix = await openPostfix()
    const { send } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const envelope = { from: 'b+17@bounce.example', to: 'forwarded@mail.example', envid: 'brev+17 = b' }
    expect(await send(letterTo('', { envelope }))).toMatchObject({ kind: 'accepted' })
    const report = await until('the report is there', () => postfix.letters()[0])
    expect(report).toMatchObject({ from: '', to: 'b+17@bounce.example' })
    expect(report.bytes).toContain('\r\nOriginal-Envelope-Id: brev+17 = b\r\n')
    expect(report.bytes).toContain('\r\nAction: failed\r\nStatus: 5.1.6\r\n')
    // RET=HDRS: not a line of the letter itself.
    expect(report.bytes).toContain('\r\nContent-Type: text/rfc822-headers')
    expect(report.bytes).not.toContain('A line.')
  })

  test('takes a letter whose id no report could repeat', async ({ transport }) => {
    const postfix = await openPostfix()
    const { send } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = letterRange(2).map((letter, at) => {
      const envid = ['blåbær', 'x'.repeat(101)][at]!
      return { ...letter, envelope: { ...letter.envelope, envid } }
    })
    await expectEachOnce(postfix, letters, await Promise.all(letters.map(send)))
  })

  test('takes an address beyond ASCII where it knows SMTPUTF8', async ({ transport }) => {
    const postfix = await openPostfix()
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = [letterTo('blåbær@mail.example')]
    const outcomes = await Promise.all(letters.map(send))
    await close()
    await expectEachOnce(postfix, letters, outcomes)
  })

  test('is not given an address beyond ASCII where it does not know SMTPUTF8', async ({ transport }) => {
    const postfix = await openPostfix({ settings: { smtputf8_enable: 'no' } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const outcome = await send(letterTo('blåbær@mail.example'))
    expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 553, enhanced: '5.6.7' } })
    expect(meaningOf(outcome)).toBe('ended')
    await close()
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 quit=1 commands=2'])
  })

  test('takes only so many connections: every letter goes over those it takes', async ({ transport }) => {
    const postfix = await openPostfix({ settings: { smtpd_client_connection_count_limit: '2', ...limitUs } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`, { connections: 5 })
    const letters = letterRange(100)
    const outcomes = await Promise.all(letters.map(send))
    await close()
    await expectEachOnce(postfix, letters, outcomes)
    expect(postfix.log()).toContain('Connection concurrency limit exceeded')
  })

  test('takes only so many letters a minute: the others are told to wait, and no reader is held to blame', async ({
    transport,
  }) => {
    const postfix = await openPostfix({ settings: { smtpd_client_message_rate_limit: '20', ...atOnce, ...limitUs } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`, { connections: 3 })
    const letters = letterRange(50)
    const outcomes = await Promise.all(letters.map(send))
    await close()
    const isTaken = (at: number) => outcomes[at]?.kind === 'accepted'
    const taken = letters.filter((_, at) => isTaken(at))
    expect(taken).toHaveLength(20)
    await expectEachOnce(
      postfix,
      taken,
      outcomes.filter((_, at) => isTaken(at)),
    )
    for (const outcome of outcomes.filter((_, at) => !isTaken(at))) {
      expect(outcome).toMatchObject({ kind: 'refused', phase: 'mail', reply: { code: 450, enhanced: '4.7.1' } })
      // Said of us before a reader was named: it is no reason to hold the domain of whoever came next.
      expect(meaningOf(outcome)).toBe('ours')
    }
  })

  test('gives up a connection nobody uses: the next letter goes over another', async ({ transport }) => {
    const postfix = await openPostfix({ settings: { smtpd_timeout: '1' } })
    const { send } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = letterRange(2)
    const first = await send(letters[0]!)
    await sessionsOf(postfix, 1)
    await expectEachOnce(postfix, letters, [first, await send(letters[1]!)])
  })

  test('offers no STARTTLS: where TLS is required nothing is said', async ({ transport }) => {
    const postfix = await openPostfix()
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}?tls=required`)
    expect(await send(letterTo('reader1@mail.example'))).toMatchObject({ kind: 'unreachable', phase: 'starttls' })
    await close()
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 commands=1'])
  })
})

// After ten errors in a row it takes a second for each answer.
const atOnce = { smtpd_error_sleep_time: '0' }
// Those of its own network it does not limit.
const limitUs = { smtpd_client_event_limit_exceptions: '' }
