import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { expect, onTestFinished } from 'vitest'
import type { Outcome } from '../../shared/transport/transport.ts'
import { hasOpenssl, makeCertificate } from '../rig/certificate.ts'
import { letterTo, test } from '../rig/hand-over.ts'
import { freePort } from '../rig/programs.ts'

const readers = (count: number) => Array.from({ length: count }, (_, at) => letterTo(`reader${at}@mail.example`))
const kinds = (outcomes: readonly Outcome[]) => new Set(outcomes.map((outcome) => outcome.kind))

const sinkPath = '/usr/sbin/smtp-sink'
const withSink = test.skipIf(!existsSync(sinkPath))

withSink('the sink takes 2000 letters over ten connections', async ({ transport }) => {
  const sink = await startSink()
  const { send, close } = transport(sink.url, { connections: 10 })
  const outcomes = await Promise.all(readers(2000).map(send))
  expect([...kinds(outcomes)]).toEqual(['accepted'])
  await close()
})

withSink.for([
  ['-f CONNECT', 'refused', 'greeting'],
  ['-Q CONNECT', 'refused', 'greeting'],
  ['-q EHLO', 'unreachable', 'ehlo'],
  ['-f MAIL', 'refused', 'mail'],
  ['-r RCPT', 'refused', 'rcpt'],
  ['-f DATA', 'refused', 'data'],
  ['-f .', 'refused', 'dot'],
  ['-Q RCPT', 'refused', 'rcpt'],
  ['-Q .', 'refused', 'dot'],
  ['-q MAIL', 'unreachable', 'mail'],
  ['-q RCPT', 'unreachable', 'rcpt'],
  ['-q DATA', 'unreachable', 'data'],
  ['-q .', 'in-doubt', undefined],
] as const)('a sink with %s: the letter is %s', async ([flags, kind, phase], { transport }) => {
  for (const more of [[], ['-p']]) {
    const sink = await startSink(...flags.split(' '), ...more)
    const { send, close } = transport(sink.url)
    const outcome = await send(letterTo('kari@mail.example'))
    expect(outcome.kind).toBe(kind)
    if ('phase' in outcome) expect(outcome.phase).toBe(phase)
    await close()
  }
})

withSink('a sink that aborts after 354 has refused the letter', async ({ transport }) => {
  const sink = await startSink('-A', '0')
  const { send } = transport(sink.url)
  expect(await send(letterTo('kari@mail.example'))).toMatchObject({
    kind: 'refused',
    phase: 'dot',
    reply: { code: 550 },
  })
})

test('an independent server reads the very bytes, with the dots unstuffed', async ({ transport }) => {
  const taken: { bytes: string; from: unknown; to: unknown }[] = []
  const server = await startServer({
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        const from = mailFrom ? mailFrom.address : ''
        taken.push({ bytes: Buffer.concat(chunks).toString(), from, to: rcptTo.map((to) => to.address) })
        done(null)
      })
    },
  })
  const { send, close } = transport(server.url)
  const parts = [
    Buffer.from('Subject: dots\r\n\r\n.'),
    Buffer.from('.\r\n..x\r\n'),
    Buffer.from('æøå\r\n...\r\nend.\r\n'),
  ]
  const outcomes = await Promise.all([1, 2, 3].map(() => send(letterTo('kari@mail.example', { parts }))))
  expect([...kinds(outcomes)]).toEqual(['accepted'])
  const bytes = 'Subject: dots\r\n\r\n.\r\n.x\r\næøå\r\n..\r\nend.\r\n'
  expect(taken).toEqual(Array(3).fill({ bytes, from: 'b+1@bounce.example', to: ['kari@mail.example'] }))
  await close()
})

test('an independent server refuses one reader among many', async ({ transport }) => {
  const server = await startServer({
    onRcptTo(address, _session, done) {
      const isGone = address.address === 'reader7@mail.example'
      done(isGone ? Object.assign(new Error('5.1.1 no such reader'), { responseCode: 550 }) : null)
    },
  })
  const { send, close } = transport(server.url, { connections: 3 })
  const outcomes = await Promise.all(readers(40).map(send))
  expect(outcomes.filter((outcome) => outcome.kind === 'accepted')).toHaveLength(39)
  expect(outcomes[7]).toMatchObject({ kind: 'refused', phase: 'rcpt', reply: { code: 550 } })
  await close()
})

test.skipIf(!hasOpenssl()).for(['smtp', 'smtps'])(
  'an independent server with TLS and a login, over %s',
  async (scheme, { transport }) => {
    const { key, cert, certFile } = makeCertificate('IP:127.0.0.1')
    const logins: unknown[] = []
    const server = await startServer({
      key,
      cert,
      secure: scheme === 'smtps',
      disabledCommands: [],
      authOptional: false,
      onAuth(auth, session, done) {
        logins.push([auth.method, auth.username, auth.password, session.secure])
        if (auth.password === 'hemmelig') done(null, { user: auth.username })
        else done(new Error('no'))
      },
    })
    const ca = encodeURIComponent(certFile)
    const to = (password: string) =>
      transport(`${scheme}://ola%40x:${password}@127.0.0.1:${server.port}?tls=required&ca=${ca}`, { connections: 4 })
    const right = to('hemmelig')
    expect([...kinds(await Promise.all(readers(100).map(right.send)))]).toEqual(['accepted'])
    expect(logins[0]).toEqual(['PLAIN', 'ola@x', 'hemmelig', true])
    const wrong = to('feil')
    expect(await wrong.send(letterTo('kari@mail.example'))).toMatchObject({
      kind: 'refused',
      phase: 'auth',
      reply: { code: 535 },
    })
    await Promise.all([right.close(), wrong.close()])
  },
)

async function startSink(...flags: string[]): Promise<{ url: string }> {
  const port = await freePort()
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const sink = spawn(sinkPath, [...user, ...flags, `127.0.0.1:${port}`, '100'], { cwd: '/', stdio: 'ignore' })
  onTestFinished(() => {
    sink.kill()
  })
  await untilListening(port, sink)
  return { url: `smtp://127.0.0.1:${port}` }
}

async function untilListening(port: number, sink: ChildProcess): Promise<void> {
  for (;;) {
    if (sink.exitCode !== null) throw new Error('the sink did not start')
    const isThere = await new Promise<boolean>((resolve) => {
      const probe = connect(port, '127.0.0.1')
      probe.once('connect', () => resolve(true)).once('error', () => resolve(false))
      probe.once('connect', () => probe.destroy())
    })
    if (isThere) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function startServer(options: SMTPServerOptions): Promise<{ url: string; port: number }> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    ...options,
  })
  server.on('error', () => {})
  onTestFinished(() => {
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return { url: `smtp://127.0.0.1:${port}`, port }
}
