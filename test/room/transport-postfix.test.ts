import { describe, expect, onTestFinished } from 'vitest'
import type { Outcome, Outgoing } from '../../shared/transport/transport.ts'
import { readReply } from '../../workers/mailer/reply-rules.ts'
import { hasOpenssl, makeCertificate } from '../rig/certificate.ts'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { type Postfix, startPostfix, whyNoLogins, whyNoPostfix } from '../rig/postfix.ts'
import type { PostfixOptions } from '../rig/postfix-layout.ts'
import { until } from '../rig/until.ts'

const noPostfix = whyNoPostfix()
const noTls = hasOpenssl() ? null : 'openssl is not installed'
const noLogins = noTls ?? whyNoLogins()
const because = (why: string | null) => (why === null ? '' : ` (${why})`)

const login = { user: 'presse', password: 'blåbær & fløte' }
const password = encodeURIComponent(login.password)

describe.skipIf(noPostfix !== null)(`a real Postfix${because(noPostfix)}`, () => {
  test('takes what it is given over one connection, letter behind letter', async ({ transport }) => {
    const postfix = await open()
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
    // It ends a connection with 421 after twenty errors in a row; before that it would wait a second after each.
    const postfix = await open({ settings: { smtpd_error_sleep_time: '0' } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`, { connections: 2 })
    const unknown = range(61).map((at) => letterTo(`nobody${at}@mail.example`))
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
    const postfix = await open({ settings: { message_size_limit: '20000' } })
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
    const postfix = await open()
    const { send } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const envelope = { from: 'b+17@bounce.example', to: 'moved@mail.example', envid: 'brev+17=blå' }
    expect(await send(letterTo('', { envelope }))).toMatchObject({ kind: 'accepted' })
    const report = await until('the report is there', () => postfix.letters()[0])
    expect(report).toMatchObject({ from: '', to: 'b+17@bounce.example' })
    // As RFC 3461 4.4 encodes it.
    expect(report.bytes).toContain('\r\nOriginal-Envelope-Id: brev+2B17+3Dbl+C3+A5\r\n')
    expect(report.bytes).toContain('\r\nAction: failed\r\nStatus: 5.1.6\r\n')
    // RET=HDRS: not a line of the letter itself.
    expect(report.bytes).toContain('\r\nContent-Type: text/rfc822-headers')
    expect(report.bytes).not.toContain('A line.')
  })

  test('takes an address beyond ASCII where it knows SMTPUTF8', async ({ transport }) => {
    const postfix = await open()
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = [letterTo('blåbær@mail.example')]
    const outcomes = await Promise.all(letters.map(send))
    await close()
    await expectEachOnce(postfix, letters, outcomes)
  })

  test('is not given an address beyond ASCII where it does not know SMTPUTF8', async ({ transport }) => {
    const postfix = await open({ settings: { smtputf8_enable: 'no' } })
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const outcome = await send(letterTo('blåbær@mail.example'))
    expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 553, enhanced: '5.6.7' } })
    expect(meaningOf(outcome)).toBe('letter')
    await close()
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 quit=1 commands=2'])
  })

  test('takes only so many connections: every letter goes over those it takes', async ({ transport }) => {
    const postfix = await open({ settings: { smtpd_client_connection_count_limit: '2', ...limitUs } })
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
    const postfix = await open({ settings: { smtpd_client_message_rate_limit: '20', ...limitUs } })
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
      expect(meaningOf(outcome)).toBe('blocked')
    }
  })

  test('gives up a connection nobody uses: the next letter goes over another', async ({ transport }) => {
    const postfix = await open({ settings: { smtpd_timeout: '1' } })
    const { send } = transport(`smtp://127.0.0.1:${postfix.port}`)
    const letters = letterRange(2)
    const first = await send(letters[0]!)
    await sessionsOf(postfix, 1)
    await expectEachOnce(postfix, letters, [first, await send(letters[1]!)])
  })

  test('offers no STARTTLS: where TLS is required nothing is said', async ({ transport }) => {
    const postfix = await open()
    const { send, close } = transport(`smtp://127.0.0.1:${postfix.port}?tls=required`)
    expect(await send(letterTo('reader1@mail.example'))).toMatchObject({ kind: 'unreachable', phase: 'starttls' })
    await close()
    expect(await sessionsOf(postfix, 1)).toEqual(['ehlo=1 commands=1'])
  })
})

describe.skipIf(noPostfix !== null || noTls !== null)(`a real Postfix with TLS${because(noPostfix ?? noTls)}`, () => {
  test('insists on TLS: our settings are wrong, not the reader', async ({ transport }) => {
    const { cert, ...tls } = makeCertificate('IP:127.0.0.1')
    const postfix = await open({ tls: { cert, ...tls }, settings: { smtpd_tls_security_level: 'encrypt' } })
    const clear = transport(`smtp://127.0.0.1:${postfix.port}?tls=never`)
    const outcome = await clear.send(letterTo('reader1@mail.example'))
    expect(outcome).toMatchObject({ kind: 'refused', phase: 'mail', reply: { code: 530, enhanced: '5.7.0' } })
    expect(meaningOf(outcome)).toBe('ours')
    const secured = transport(`smtp://127.0.0.1:${postfix.port}?tls=optional&ca=${encodeURIComponent(tls.certFile)}`)
    const letters = letterRange(3)
    await expectEachOnce(postfix, letters, await Promise.all(letters.map(secured.send)))
  })

  for (const [fault, names, isTrusted] of [
    ['a certificate nobody vouches for', 'IP:127.0.0.1', false],
    ["somebody else's certificate", 'DNS:other.example', true],
  ] as const) {
    test.for(['required', 'optional'])(
      `shows ${fault}: with tls=%s neither letter nor password is sent`,
      async (tls, { transport }) => {
        const certificate = makeCertificate(names)
        const postfix = await open({ tls: certificate })
        const ca = isTrusted ? `&ca=${encodeURIComponent(certificate.certFile)}` : ''
        const { send, close } = transport(`smtp://presse:${password}@127.0.0.1:${postfix.port}?tls=${tls}${ca}`)
        const outcomes = await Promise.all(letterRange(3).map(send))
        for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'starttls' })
        await close()
        for (const session of await sessionsOf(postfix, 1))
          expect(session).toMatch(/^ehlo=1 starttls=(0\/)?1 commands=\S+$/)
      },
    )
  }
})

describe.skipIf(noPostfix !== null || noLogins !== null)(
  `a real Postfix with TLS and a login${because(noPostfix ?? noLogins)}`,
  () => {
    const openWithLogin = async (settings?: PostfixOptions['settings']) => {
      const tls = makeCertificate('IP:127.0.0.1')
      const postfix = await open({ tls, login, settings })
      const query = `tls=required&ca=${encodeURIComponent(tls.certFile)}`
      return { postfix, urlWith: (user: string) => `smtp://${user}127.0.0.1:${postfix.port}?${query}` }
    }

    test('takes 200 letters over four connections, and each lies in its mailbox once, byte for byte', async ({
      transport,
    }) => {
      const { postfix, urlWith } = await openWithLogin()
      const { send, close } = transport(urlWith(`presse:${password}@`), { connections: 4 })
      const letters = letterRange(200)
      const outcomes = await Promise.all(letters.map(send))
      await close()
      await expectEachOnce(postfix, letters, outcomes)
      for (const { trace } of postfix.letters()) expect(trace).toContain('with ESMTPSA')
      const sessions = await sessionsOf(postfix, 4)
      for (const session of sessions)
        expect(session).toMatch(/^ehlo=2 starttls=1 auth=1 mail=\d+ rcpt=\d+ data=\d+ quit=1/)
      expect(sessions).toHaveLength(4)
    })

    test('offers AUTH LOGIN alone', async ({ transport }) => {
      const { postfix, urlWith } = await openWithLogin({ smtpd_sasl_mechanism_filter: '!plain, static:rest' })
      const { send } = transport(urlWith(`presse:${password}@`))
      const letters = letterRange(2)
      await expectEachOnce(postfix, letters, await Promise.all(letters.map(send)))
    })

    test('does not know the password: nothing is sent, and that is ours to mend', async ({ transport }) => {
      const { postfix, urlWith } = await openWithLogin()
      const { send, close } = transport(urlWith('presse:feil@'), { connections: 2 })
      for (const outcome of await Promise.all(letterRange(10).map(send))) {
        expect(outcome).toMatchObject({ kind: 'refused', phase: 'auth', reply: { code: 535, enhanced: '5.7.8' } })
        expect(meaningOf(outcome)).toBe('ours')
      }
      await close()
      for (const session of await sessionsOf(postfix, 1)) expect(session).not.toContain('mail=')
    })

    test('takes nothing from us without the login: no reader is held to blame', async ({ transport }) => {
      const { urlWith } = await openWithLogin()
      const { send } = transport(urlWith(''))
      const outcome = await send(letterTo('reader1@mail.example'))
      expect(outcome).toMatchObject({ kind: 'refused', phase: 'rcpt', reply: { code: 554, enhanced: '5.7.1' } })
      expect(meaningOf(outcome)).toBe('blocked')
    })

    test('is stopped while letters go out, and started again: none is lost, none is doubled', async ({ transport }) => {
      const { postfix, urlWith } = await openWithLogin()
      const { send } = transport(urlWith(`presse:${password}@`), { connections: 4, limits: { firstWait: 1 } })
      const letters = letterRange(600)
      const enough = signal()
      let accepted = 0
      const running = letters.map(async (letter) => {
        const outcome = await send(letter)
        if (outcome.kind === 'accepted') accepted += 1
        if (accepted === 100) enough.give()
        return outcome
      })
      await enough.given
      await postfix.stop()
      const outcomes = await Promise.all(running)
      await postfix.start()
      await postfix.untilDelivered()

      const taken = takenIds(postfix)
      const missing: Outgoing[] = []
      letters.forEach((letter, at) => {
        const ids = taken.get(letter.envelope.to) ?? []
        const outcome = outcomes[at]!
        if (outcome.kind === 'accepted') expect(ids).toEqual([queueIdIn(outcome)])
        // One in doubt may have been taken. Every other outcome says for certain that it was not.
        else if (outcome.kind === 'in-doubt') expect(ids.length).toBeLessThan(2)
        else expect(ids).toEqual([])
        if (ids.length === 0) missing.push(letter)
      })
      expect(missing.length).toBeGreaterThan(0)

      await until('it is known to be back', async () => {
        if ((await send(missing[0]!)).kind === 'accepted') return missing.shift()
      })
      expect(kindsOf(await Promise.all(missing.map(send)))).toEqual(['accepted'])
      await postfix.untilDelivered()
      const ids = takenIds(postfix)
      expect(letters.filter(({ envelope }) => ids.get(envelope.to)?.length !== 1)).toEqual([])
    })
  },
)

// Those of its own network it does not limit.
const limitUs = { smtpd_client_event_limit_exceptions: '' }

async function open(options: PostfixOptions = {}): Promise<Postfix> {
  const postfix = await startPostfix(options)
  onTestFinished(() => postfix.close())
  return postfix
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at)

/** Letters whose bytes a mail host could get wrong: dots, blanks at the end, empty lines, a line like an envelope. */
function letterRange(count: number): Outgoing[] {
  return range(count).map((at) => {
    const head = `From: press@news.example\r\nTo: reader${at}@mail.example\r\nSubject: =?utf-8?Q?Bl=C3=A5b=C3=A6r?=\r\n folded\r\n`
    const body = `\r\nFrom us to you:\r\n...\r\n..\r\n..x${at} \r\n\r\næøå\t\r\n${'lang linje '.repeat(80)}\r\nend\r\n..\r\n\r\n`
    return letterTo(`reader${at}@mail.example`, { parts: [Buffer.from(head), Buffer.from(body)] })
  })
}

const bytesOf = (letter: Outgoing) => Buffer.concat(letter.parts).toString().replaceAll('\r\n..', '\r\n.')

/** Every letter was accepted, and lies in the mailbox once, under the id Postfix answered with, byte for byte. */
async function expectEachOnce(postfix: Postfix, letters: readonly Outgoing[], outcomes: readonly Outcome[]) {
  await postfix.untilDelivered()
  const stored = postfix.letters()
  const expected = letters.map((letter, at) => {
    const { from, to } = letter.envelope
    return { from, to, queueId: queueIdIn(outcomes[at]), bytes: bytesOf(letter) }
  })
  expect(stored.map(({ trace: _, ...letter }) => letter).sort(byReader)).toEqual(expected.sort(byReader))
}

function queueIdIn(outcome: Outcome | undefined): string {
  const told = outcome?.kind === 'accepted' ? /^Ok: queued as (\w+)$/.exec(outcome.reply.text) : null
  return told?.[1] ?? `not accepted: ${JSON.stringify(outcome)}`
}

/** Which letters Postfix took for each reader. Stopped while it delivers, it may itself write one and the same twice. */
function takenIds(postfix: Postfix): Map<string, string[]> {
  const ids = new Map<string, string[]>()
  for (const { to, queueId } of postfix.letters()) ids.set(to, [...new Set([...(ids.get(to) ?? []), queueId])])
  return ids
}

const kindsOf = (outcomes: readonly Outcome[]) => [...new Set(outcomes.map(({ kind }) => kind))]

const byReader = (one: { to: string }, other: { to: string }) => one.to.localeCompare(other.to)

function meaningOf(outcome: Outcome | undefined) {
  return outcome?.kind === 'refused' ? readReply(outcome.phase, outcome.reply) : outcome?.kind
}

/** What clients said, once so many are gone. */
function sessionsOf(postfix: Postfix, count: number): Promise<string[]> {
  return until('they are gone', () => postfix.sessions().length >= count && postfix.sessions())
}
