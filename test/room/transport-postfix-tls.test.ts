import { describe, expect } from 'vitest'
import type { Outgoing } from '../../shared/transport/transport.ts'
import { hasOpenssl, makeCertificate } from '../rig/certificate.ts'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { whyNoLogins, whyNoPostfix } from '../rig/postfix.ts'
import type { PostfixOptions } from '../rig/postfix-layout.ts'
import {
  expectEachOnce,
  letterRange,
  meaningOf,
  openPostfix,
  queueIdIn,
  sessionsOf,
  takenIds,
} from '../rig/postfix-proof.ts'
import { until } from '../rig/until.ts'

const noTls = whyNoPostfix() ?? (hasOpenssl() ? null : 'openssl is not installed')
const noLogins = noTls ?? whyNoLogins()
const because = (why: string | null) => (why === null ? '' : ` (${why})`)

const login = { user: 'presse', password: 'blåbær & fløte' }
const password = encodeURIComponent(login.password)

describe.skipIf(noTls !== null)(`a real Postfix with TLS${because(noTls)}`, () => {
  test('insists on TLS: our settings are wrong, not the reader', async ({ transport }) => {
    const tls = makeCertificate('IP:127.0.0.1')
    const postfix = await openPostfix({ tls, settings: { smtpd_tls_security_level: 'encrypt' } })
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
        const postfix = await openPostfix({ tls: certificate })
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

describe.skipIf(noLogins !== null)(`a real Postfix with TLS and a login${because(noLogins)}`, () => {
  const openWithLogin = async (settings?: PostfixOptions['settings']) => {
    const tls = makeCertificate('IP:127.0.0.1')
    const postfix = await openPostfix({ tls, login, settings })
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
    const letters = letterRange(300)
    const enough = signal()
    let accepted = 0
    const running = letters.map(async (letter) => {
      const outcome = await send(letter)
      if (outcome.kind === 'accepted') accepted += 1
      if (accepted === 80) enough.give()
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
    for (const { kind } of await Promise.all(missing.map(send))) expect(kind).toBe('accepted')
    await postfix.untilDelivered()
    const ids = takenIds(postfix)
    expect(letters.filter(({ envelope }) => ids.get(envelope.to)?.length !== 1)).toEqual([])
  })
})
