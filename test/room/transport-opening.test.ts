import { type AddressInfo, connect, createServer } from 'node:net'
import { expect } from 'vitest'
import { hasOpenssl, makeCertificate } from '../rig/certificate.ts'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { answerHello, takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

const letter = letterTo('kari@mail.example')
const withLogin = (url: string, query: string) => url.replace('//', '//ola:hemmelig@') + query
const secrets = [/hemmelig/, /aGVtbWVsaWc/, /AG9sYQ/, /b2xh/]

test('a host that only knows HELO is greeted so', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    wire.say('220 host.example')
    await wire.hear()
    wire.say('502 5.5.1 what?')
    await wire.hear()
    wire.say('250 host.example')
    await takeLetters(wire)
  })
  expect((await transport(url).send(letter)).kind).toBe('accepted')
  expect(heard[0]?.slice(0, 2)).toEqual(['EHLO press.example', 'HELO press.example'])
})

test('a greeting and an answer to EHLO may come in pieces', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    wire.sayRaw('220-host.example\r\n220 welc')
    await new Promise(setImmediate)
    wire.sayRaw('ome\r\n')
    await wire.hear()
    wire.sayRaw('250-host.example\r')
    await new Promise(setImmediate)
    wire.sayRaw('\n250 PIPELINING\r\n')
    await takeLetters(wire)
  })
  expect((await transport(url).send(letter)).kind).toBe('accepted')
})

test.for([
  ['greeting', async (wire: Wire) => wire.say('554 5.7.1 you are blocked')],
  [
    'ehlo',
    async (wire: Wire) => {
      wire.say('220 host.example')
      await wire.hear()
      wire.say('421 4.7.0 not now')
    },
  ],
] as const)('a refusal at the %s is told for every letter that waits', async ([phase, script], { host, transport }) => {
  const { url } = await host(async (wire) => {
    await script(wire)
    await wire.hearEnd()
  })
  const { send } = transport(url)
  const outcomes = await Promise.all([send(letter), send(letter), send(letter)])
  for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'refused', phase })
})

test.for([
  ['greeting', 'hello?'],
  ['greeting', '354 go on'],
  ['ehlo', '220 host.example\r\n250 and more'],
] as const)('up to the %s, "%s" is no session', async ([phase, words], { host, transport }) => {
  const { url } = await host(async (wire) => {
    wire.say(words)
    await wire.hearEnd()
  })
  expect(await transport(url).send(letter)).toMatchObject({ kind: 'unreachable', phase })
})

test('a host that never greets is given up', async ({ host, transport }) => {
  const { url } = await host(async (wire) => wire.hearEnd())
  const outcome = await transport(url, { limits: { greeting: 20 } }).send(letter)
  expect(outcome).toEqual({ kind: 'unreachable', phase: 'greeting', detail: 'the host took too long' })
})

test('a host that offers no STARTTLS gets neither letter nor password where TLS is required', async ({
  host,
  transport,
}) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING', 'AUTH PLAIN LOGIN')
    await wire.hearEnd()
  })
  const outcome = await transport(withLogin(url, '?tls=required')).send(letter)
  expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'starttls' })
  expect(heard[0]).toEqual(['EHLO press.example'])
})

test('a refused STARTTLS is no reason to go on in clear text', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'STARTTLS', 'AUTH PLAIN')
    await wire.hear()
    wire.say('454 4.7.0 TLS not available')
    await wire.hearEnd()
  })
  const outcome = await transport(withLogin(url, '?tls=optional')).send(letter)
  expect(outcome).toMatchObject({ kind: 'refused', phase: 'starttls', reply: { code: 454 } })
  expect(heard[0]).toEqual(['EHLO press.example', 'STARTTLS'])
})

test.for(['220 ready\r\n250 injected', '220 ready\r\n250-inj'])(
  'words the host adds to its answer to STARTTLS end the session: %j',
  async (words, { host, transport }) => {
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'STARTTLS')
      await wire.hear()
      wire.sayRaw(`${words}\r\n`)
      await wire.hearEnd()
    })
    const outcome = await transport(`${url}?tls=required`).send(letter)
    expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'starttls' })
    if (outcome.kind === 'unreachable') expect(outcome.detail).toMatch(/spoke before TLS|out of turn/)
    expect(heard[0]).toEqual(['EHLO press.example', 'STARTTLS'])
  },
)

test.for([
  ['PLAIN', ['AUTH PLAIN AG9sYQBoZW1tZWxpZw=='], ['235 2.7.0 welcome']],
  ['LOGIN', ['AUTH LOGIN', 'b2xh', 'aGVtbWVsaWc='], ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6', '235 2.7.0 welcome']],
] as const)('AUTH %s logs in', async ([mechanism, said, answers], { host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, `AUTH ${mechanism}`)
    for (const answer of answers) {
      await wire.hear()
      wire.say(answer)
    }
    await takeLetters(wire)
  })
  expect((await transport(withLogin(url, '')).send(letter)).kind).toBe('accepted')
  expect(heard[0]?.slice(1, 1 + said.length)).toEqual(said)
})

test.for(['535 5.7.8 wrong password', '530 5.7.0 log in first', '454 4.7.0 later'])(
  'a login answered "%s" refuses every letter that waits, at auth',
  async (answer, { host, transport }) => {
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'AUTH PLAIN')
      await wire.hear()
      wire.say(answer)
      await wire.hearEnd()
    })
    const { send } = transport(withLogin(url, ''))
    const outcomes = await Promise.all([send(letter), send(letter)])
    const code = Number(answer.slice(0, 3))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'refused', phase: 'auth', reply: { code } })
    // While the host is left alone, what comes is told the same.
    expect(await send(letter)).toMatchObject({ kind: 'refused', phase: 'auth', reply: { code } })
    expect(heard).toHaveLength(1)
  },
)

test('a password that is wrong is tried on one connection, however many there may be and letters that wait', async ({
  host,
  transport,
}) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'AUTH PLAIN')
    await wire.hear()
    wire.say('535 5.7.8 wrong password')
    await wire.hearEnd()
  })
  const { send } = transport(withLogin(url, ''), { connections: 10, limits: { firstWait: 1, longestWait: 1 } })
  const refused = { kind: 'refused', phase: 'auth' }
  for (let round = 0; round < 12; round += 1) {
    for (const outcome of await Promise.all(Array.from({ length: 20 }, () => send(letter))))
      expect(outcome).toMatchObject(refused)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // The wait doubles beyond that of a host which cannot be reached.
  expect(heard.length).toBeLessThan(10)
})

test('a host that takes its time over a login is sent no second one meanwhile', async ({ host, transport }) => {
  const asked = signal()
  const goOn = signal()
  let logins = 0
  const { url } = await host(async (wire) => {
    await welcome(wire, 'AUTH PLAIN')
    await wire.hear()
    logins += 1
    asked.give()
    await goOn.given
    wire.say('535 5.7.8 wrong password')
    await wire.hearEnd()
  })
  const { send } = transport(withLogin(url, ''), { connections: 10, limits: { knock: 10 } })
  const outcomes = Array.from({ length: 20 }, () => send(letter))
  await asked.given
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect(logins).toBe(1)
  goOn.give()
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toMatchObject({ kind: 'refused', phase: 'auth' })
})

test('a password that is right opens as many connections as are allowed', async ({ host, transport }) => {
  const allHere = signal()
  let open = 0
  const { url } = await host(async (wire) => {
    await welcome(wire, 'AUTH PLAIN')
    await wire.hear()
    wire.say('235 welcome')
    open += 1
    if (open === 4) allHere.give()
    await allHere.given
    await takeLetters(wire)
  })
  const { send } = transport(withLogin(url, ''), { connections: 4 })
  const outcomes = await Promise.all(Array.from({ length: 40 }, () => send(letter)))
  expect(outcomes.map(({ kind }) => kind)).toEqual(Array(40).fill('accepted'))
})

test('a machine of the mail host that keeps its caller waiting is no reason not to knock again', async ({
  host,
  transport,
}) => {
  const { url } = await host(async (wire, nth) => {
    if (nth === 1) return wire.cut()
    if (nth === 2) return void (await wire.hearEnd())
    await welcome(wire)
    await takeLetters(wire)
  })
  const { send } = transport(url, { connections: 4, limits: { firstWait: 1, longestWait: 1, knock: 40 } })
  expect(await send(letter)).toMatchObject({ kind: 'unreachable' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await send(letter)).toMatchObject({ kind: 'accepted' })
})

test('a host without a login we know is told, not tried without', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, 'AUTH XOAUTH2')
    await wire.hearEnd()
  })
  expect(await transport(withLogin(url, '')).send(letter)).toMatchObject({ kind: 'unreachable', phase: 'auth' })
})

test('a client name that would end the command is a mistake at start-up', ({ transport }) => {
  expect(() => transport('smtp://127.0.0.1', { clientName: 'press.example\r\nRSET' })).toThrow('client name')
})

test.skipIf(!hasOpenssl())(
  'with a certificate to trust, password and letters go through TLS alone',
  async ({ host, transport }) => {
    const certificate = makeCertificate('IP:127.0.0.1')
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'STARTTLS', 'PIPELINING')
      await wire.hear()
      wire.say('220 ready')
      await wire.secure(certificate)
      await answerHello(wire, 'PIPELINING', 'AUTH PLAIN')
      await wire.hear()
      wire.say('235 welcome')
      await takeLetters(wire)
    })
    const tapped: string[] = []
    const tap = await tapTo(url, tapped)
    const { send, close } = transport(
      withLogin(tap.url, `?tls=required&ca=${encodeURIComponent(certificate.certFile)}`),
    )
    const outcomes = await Promise.all([send(letter), send(letter), send(letter)])
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted', 'accepted'])
    await close()
    expect(heard[0]?.slice(0, 4)).toEqual([
      'EHLO press.example',
      'STARTTLS',
      'EHLO press.example',
      'AUTH PLAIN AG9sYQBoZW1tZWxpZw==',
    ])
    for (const secret of [...secrets, /mail\.example/]) expect(tapped.join('')).not.toMatch(secret)
    expect(tapped.join('')).toContain('STARTTLS')
    tap.close()
  },
)

test.skipIf(!hasOpenssl())('TLS from the first byte', async ({ host, transport }) => {
  const certificate = makeCertificate('IP:127.0.0.1')
  const { url } = await host(async (wire) => {
    await wire.secure(certificate)
    await welcome(wire, 'PIPELINING')
    await takeLetters(wire)
  })
  const { send } = transport(`${url.replace('smtp:', 'smtps:')}?ca=${encodeURIComponent(certificate.certFile)}`)
  expect((await send(letter)).kind).toBe('accepted')
})

test.skipIf(!hasOpenssl()).for([
  ['nobody vouches for', 'IP:127.0.0.1', 2, false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['of another host', 'DNS:other.example', 2, true, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['that has expired', 'IP:127.0.0.1', -1, true, 'CERT_HAS_EXPIRED'],
] as const)(
  'a certificate %s ends the session before a word more',
  async ([, names, days, isTrusted, detail], { host, transport }) => {
    const certificate = makeCertificate(names, days)
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'STARTTLS', 'AUTH PLAIN')
      await wire.hear()
      wire.say('220 ready')
      await wire.secure(certificate)
      await wire.hear()
    })
    const trust = isTrusted ? `&ca=${encodeURIComponent(certificate.certFile)}` : ''
    for (const tls of ['required', 'optional']) {
      const outcome = await transport(withLogin(url, `?tls=${tls}${trust}`)).send(letter)
      expect(outcome).toEqual({ kind: 'unreachable', phase: 'starttls', detail })
    }
    expect(heard).toEqual([
      ['EHLO press.example', 'STARTTLS'],
      ['EHLO press.example', 'STARTTLS'],
    ])
  },
)

test.skipIf(!hasOpenssl())(
  'a handshake that is cut is no reason to go on in clear text',
  async ({ host, transport }) => {
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'STARTTLS')
      await wire.hear()
      wire.say('220 ready')
      wire.end()
    })
    expect(await transport(`${url}?tls=optional`).send(letter)).toMatchObject({
      kind: 'unreachable',
      phase: 'starttls',
    })
    expect(heard).toEqual([['EHLO press.example', 'STARTTLS']])
  },
)

/** A wire to the host at `url` that writes down what is said to it. */
async function tapTo(url: string, tapped: string[]): Promise<{ url: string; close: () => void }> {
  const server = createServer((client) => {
    const through = connect(Number(new URL(url).port), '127.0.0.1')
    client.on('data', (bytes) => tapped.push(bytes.toString('latin1')))
    client.on('error', () => through.destroy())
    through.on('error', () => client.destroy())
    client.pipe(through).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}
