import { expect } from 'vitest'
import type { Log } from '../../shared/log/log.ts'
import { smtpLimits } from '../../shared/transport/smtp-limits.ts'
import { openOutage } from '../../shared/transport/smtp-outage.ts'
import type { Outcome } from '../../shared/transport/transport.ts'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { freePort } from '../rig/programs.ts'
import { playHost, takeLetter, takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

const readers = (count: number) => Array.from({ length: count }, (_, at) => letterTo(`reader${at}@mail.example`))
const kinds = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome.kind)

async function welcomeAndTake(wire: Wire): Promise<void> {
  await welcome(wire, 'PIPELINING')
  await takeLetters(wire)
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it never came to be so')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('one letter opens one connection, many open as many as are allowed', async ({ host, transport }) => {
  const allHere = signal()
  let open = 0
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    open += 1
    if (open === 4) allHere.give()
    // No letter is taken before every connection allowed is there.
    if (open > 1) await allHere.given
    await takeLetters(wire)
  })
  const { send } = transport(url, { connections: 4 })
  await send(letterTo('kari@mail.example'))
  expect(heard).toHaveLength(1)
  open = 1
  expect(kinds(await Promise.all(readers(200).map(send)))).toEqual(Array(200).fill('accepted'))
  expect(heard).toHaveLength(4)
})

test('every letter is asked whether it may start just before its MAIL FROM, and one that may not is never named', async ({
  host,
  transport,
}) => {
  const asked: string[] = []
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    for (let letter = 0; letter < 2; letter += 1) {
      await takeLetter(wire)
      asked.push(`letter ${letter} taken`)
    }
    await takeLetters(wire)
  })
  const { send } = transport(url, { limits: { prompt: 0 } })
  const ask = (name: string, answer: boolean) => () => {
    asked.push(name)
    return answer
  }
  const letters = [
    letterTo('first@mail.example', { mayStart: ask('first', true) }),
    letterTo('left@mail.example', { mayStart: ask('left', false) }),
    letterTo('second@mail.example', { mayStart: ask('second', true) }),
    letterTo('broken@mail.example', {
      mayStart: () => {
        throw new Error('no')
      },
    }),
  ]
  expect(kinds(await Promise.all(letters.map(send)))).toEqual(['accepted', 'not-started', 'accepted', 'not-started'])
  expect(asked).toEqual(['first', 'letter 0 taken', 'left', 'second', 'letter 1 taken'])
  expect(heard.flat().join()).not.toMatch(/left@|broken@/)
})

test('closing lets the letter under way end, starts no more, and takes leave', async ({ host, transport }) => {
  const underWay = signal()
  const goOn = signal()
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await wire.hear()
    underWay.give()
    await goOn.given
    wire.say('250 ok')
    await takeLetters(wire)
  })
  const { send, close } = transport(url)
  const outcomes = readers(3).map(send)
  await underWay.given
  const closed = close()
  expect(kinds(await Promise.all(outcomes.slice(1)))).toEqual(['not-started', 'not-started'])
  goOn.give()
  expect((await outcomes[0])?.kind).toBe('accepted')
  await closed
  expect(heard[0]?.at(-1)).toBe('QUIT')
  expect(await send(letterTo('late@mail.example'))).toEqual({ kind: 'not-started' })
})

test.for(['MAIL', 'RCPT', 'DATA'])(
  'closing puts a letter back whose %s the host does not answer; one whose dot has left is waited for',
  async (step, { host, transport }) => {
    const dotLeft = signal()
    const underWay = signal()
    const goOn = signal()
    const { url } = await host(async (wire, nth) => {
      await welcome(wire)
      if (nth === 1) {
        await takeLetter(wire, '250 2.0.0 first taken')
        for (const reply of ['250 ok', '250 ok', '354 go on']) {
          await wire.hear()
          wire.say(reply)
        }
        await wire.hearLetter()
        dotLeft.give()
        await goOn.given
        wire.say('250 2.0.0 taken')
      } else {
        for (let line = await wire.hear(); !line.startsWith(step); line = await wire.hear()) wire.say('250 ok')
        underWay.give()
      }
      await wire.hearEnd()
    })
    const { send, close } = transport(url, { connections: 2, limits: { closing: 20, quit: 20 } })
    await send(letterTo('first@mail.example'))
    const waited = send(letterTo('kari@mail.example'))
    await dotLeft.given
    const silent = send(letterTo('ola@mail.example'))
    await underWay.given
    const closed = close()
    expect(await silent).toEqual({ kind: 'not-started' })
    goOn.give()
    expect((await waited).kind).toBe('accepted')
    await closed
  },
)

test('closing puts a letter back of which the host has stopped reading before its end', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire)
    await takeLetter(wire)
    for (let line = await wire.hear(); line !== 'DATA'; line = await wire.hear()) wire.say('250 ok')
    wire.stopReading()
    wire.say('354 go on')
    await wire.hearEnd()
  })
  const { send, close } = transport(url, { limits: { closing: 50 } })
  expect((await send(letterTo('first@mail.example'))).kind).toBe('accepted')
  const underWay = signal()
  // More than the buffers of both ends hold.
  const parts = [Buffer.from('x'.repeat(998).concat('\r\n').repeat(32_000))]
  const beforeDot = () => {
    setImmediate(underWay.give)
    return true
  }
  const blocked = send(letterTo('kari@mail.example', { parts, beforeDot }))
  await underWay.given
  const closed = close()
  expect(await blocked).toEqual({ kind: 'not-started' })
  await closed
})

test('closing puts a letter back whose MAIL the host answers with 421: that is no trouble of the host’s', async ({
  host,
  transport,
}) => {
  const underWay = signal()
  const goOn = signal()
  const { url } = await host(async (wire) => {
    await welcome(wire)
    await takeLetter(wire)
    await wire.hear()
    underWay.give()
    await goOn.given
    wire.say('421 4.3.2 enough for one connection')
    await wire.hearEnd()
  })
  const { send, close } = transport(url)
  expect((await send(letterTo('first@mail.example'))).kind).toBe('accepted')
  const second = send(letterTo('second@mail.example'))
  await underWay.given
  const closed = close()
  goOn.give()
  expect(await second).toEqual({ kind: 'not-started' })
  await closed
})

test('closing finishes the letter whose commands were written behind another', async ({ host, transport }) => {
  const underWay = signal()
  const goOn = signal()
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await takeLetter(wire)
    for (const reply of ['250 ok', '250 ok', '354 go on']) {
      await wire.hear()
      wire.say(reply)
    }
    await wire.hearLetter()
    await wire.hear()
    underWay.give()
    await goOn.given
    wire.say('250 second taken', '250 ok')
    await takeLetters(wire)
  })
  const { send, close } = transport(url)
  const outcomes = readers(4).map(send)
  await underWay.given
  const closed = close()
  goOn.give()
  expect(kinds(await Promise.all(outcomes))).toEqual(['accepted', 'accepted', 'accepted', 'not-started'])
  await closed
})

test('closing does not wait for a host that has not greeted, nor for one that does not say goodbye', async ({
  host,
  transport,
}) => {
  const connected = signal()
  const silent = await host(async (wire) => {
    connected.give()
    await wire.hearEnd()
  })
  const toSilent = transport(silent.url)
  const waiting = toSilent.send(letterTo('kari@mail.example'))
  await connected.given
  await toSilent.close()
  expect(await waiting).toEqual({ kind: 'not-started' })

  const rude = await host(async (wire) => {
    await welcome(wire)
    await takeLetter(wire)
    await wire.hearEnd()
  })
  const toRude = transport(rude.url, { limits: { quit: 20 } })
  await toRude.send(letterTo('kari@mail.example'))
  await Promise.all([toRude.close(), toRude.close()])
  expect(rude.heard[0]).toHaveLength(4)
})

test('closing a transport that never sent is done at once', async ({ transport }) => {
  await transport('smtp://127.0.0.1:1').close()
})

test('a connection nobody has needed for a while is given back, and opened again when a letter comes', async ({
  host,
  transport,
}) => {
  const goodbye = signal()
  const { url, heard } = await host(async (wire) => {
    await welcomeAndTake(wire)
    goodbye.give()
  })
  const { send } = transport(url, { limits: { idle: 20 } })
  expect((await send(letterTo('kari@mail.example'))).kind).toBe('accepted')
  await goodbye.given
  expect(heard[0]?.at(-1)).toBe('QUIT')
  expect((await send(letterTo('ola@mail.example'))).kind).toBe('accepted')
})

test('while the host is away letters are told at once, it is left alone meanwhile, and found again', async ({
  transport,
}) => {
  const port = await freePort()
  const { send } = transport(`smtp://127.0.0.1:${port}`, { connections: 5, limits: { firstWait: 40 } })
  const outcomes = await Promise.all(readers(50).map(send))
  for (const outcome of outcomes) {
    expect(outcome).toEqual({ kind: 'unreachable', phase: 'connect', detail: 'ECONNREFUSED' })
  }
  const host = await playHost(welcomeAndTake, port)
  await eventually(async () => (await send(letterTo('kari@mail.example'))).kind === 'accepted')
  expect(kinds(await Promise.all(readers(50).map(send)))).toEqual(Array(50).fill('accepted'))
  await host.close()
})

test('a host that takes connections and drops each under its first letter counts as away', async ({
  host,
  transport,
}) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire)
    await wire.hear()
    wire.say('421 4.7.0 too much')
    wire.end()
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(50).map(send))
  expect(kinds(outcomes)).toEqual([...Array(3).fill('refused'), ...Array(47).fill('unreachable')])
  expect(heard).toHaveLength(3)
})

test('a host that allows fewer connections than we would open gets every letter all the same', async ({
  host,
  transport,
}) => {
  const { url } = await host(async (wire, nth) => {
    if (nth > 2) {
      wire.say('421 4.7.0 too many connections')
      wire.end()
    } else {
      await welcomeAndTake(wire)
    }
  })
  const { send } = transport(url, { connections: 10 })
  expect(kinds(await Promise.all(readers(100).map(send)))).toEqual(Array(100).fill('accepted'))
  expect((await send(letterTo('kari@mail.example'))).kind).toBe('accepted')
})

test('a connection too many does not make a host count as away once the others have taken leave', async ({
  host,
  transport,
}) => {
  const firstAnswered = signal()
  const secondRefused = signal()
  const goodbye = signal()
  const { url } = await host(async (wire, nth) => {
    if (nth === 2) {
      await firstAnswered.given
      wire.say('421 4.7.0 too many connections')
      await wire.hearEnd().finally(secondRefused.give)
      return
    }
    await welcome(wire)
    await takeLetter(wire)
    await wire.hear()
    firstAnswered.give()
    if (nth === 1) await secondRefused.given
    wire.say('250 ok')
    await takeLetters(wire)
    goodbye.give()
  })
  const { send } = transport(url, { connections: 2, limits: { idle: 20, firstWait: 60_000 } })
  expect(kinds(await Promise.all(readers(2).map(send)))).toEqual(['accepted', 'accepted'])
  await goodbye.given
  expect(kinds(await Promise.all(readers(2).map(send)))).toEqual(['accepted', 'accepted'])
})

test('the waits for a host that is away double to a limit, and failures at one time count once', () => {
  const failure = { kind: 'unreachable', phase: 'connect', detail: 'ECONNREFUSED' } as const
  const outage = openOutage({ ...smtpLimits, firstWait: 500, longestWait: 3000 }, () => 1)
  expect(outage.current(0)).toBe(null)
  expect(outage.fail(failure, 0, 10)).toBe(500)
  expect(outage.fail(failure, 1, 11)).toBe(null)
  expect(outage.current(400)).toBe(failure)
  expect(outage.current(510)).toBe(null)
  expect(outage.isSuspected()).toBe(true)
  expect([600, 2000, 5000, 9000].map((at) => outage.fail(failure, at, at))).toEqual([1000, 2000, 3000, 3000])
  outage.end()
  expect(outage.isSuspected()).toBe(false)
  expect(outage.fail(failure, 20_000, 20_000)).toBe(500)
})

test('what has not begun in time is told so, though every connection waits for the host', async ({
  host,
  transport,
}) => {
  const answer = signal()
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await wire.hear()
    await answer.given
    wire.say('250 ok', '250 ok', '354 go on')
    await wire.hear()
    await wire.hear()
    await wire.hearLetter()
    wire.say('250 ok')
    await takeLetters(wire)
  })
  const { sendRow } = transport(url, { connections: 2 })
  const told: string[] = []
  const row = sendRow({
    length: 5,
    until: performance.now() + 1_000,
    open: (place) => letterTo(`reader${place}@mail.example`),
    settle: (place, { kind }) => void told.push(`${place} ${kind}`),
  })
  await eventually(() => told.length === 3)
  expect(told).toEqual(['2 not-started', '3 not-started', '4 not-started'])
  answer.give()
  await row
  expect(told.slice(3).toSorted()).toEqual(['0 accepted', '1 accepted'])
  expect(heard.flat().filter((line) => line.startsWith('RCPT'))).toHaveLength(2)
})

test('in place of a connection that a slow domain keeps waiting another is opened, and one too many leaves', async ({
  host,
  transport,
}) => {
  const answer = signal()
  let isSlow = true
  const { url, heard } = await host(async (wire) => {
    await welcome(wire)
    for (;;) {
      const line = await wire.hear()
      if (line === 'QUIT') return wire.end()
      if (line.includes('@slow.example')) await answer.given
      wire.say(line === 'DATA' ? '354 go on' : '250 ok')
      if (line !== 'DATA') continue
      await wire.hearLetter()
      wire.say('250 ok')
    }
  })
  const { send } = transport(url, { connections: 2 })
  const slow = [1, 2].map((n) => send(letterTo(`r${n}@slow.example`, { stands: () => isSlow })))
  await eventually(() => heard.flat().filter((line) => line.includes('@slow.example')).length === 2)
  expect(kinds(await Promise.all(readers(20).map(send)))).toEqual(Array(20).fill('accepted'))
  expect(heard.length).toBeGreaterThan(2)
  expect(heard.length).toBeLessThanOrEqual(4)
  isSlow = false
  answer.give()
  expect(kinds(await Promise.all(slow))).toEqual(['accepted', 'accepted'])
  expect(kinds(await Promise.all(readers(20).map(send)))).toEqual(Array(20).fill('accepted'))
  await eventually(() => heard.filter((lines) => lines.at(-1) === 'QUIT').length === heard.length - 2)
})

test('nothing a host says about a reader, nor the reader, reaches the log', async ({ host, transport }) => {
  const lines: string[] = []
  const note = (...words: unknown[]) => lines.push(JSON.stringify(words))
  const log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note } as unknown as Log
  const { url } = await host(async (wire, nth) => {
    if (nth > 1) return wire.say('554 5.7.1 no mail for kari@mail.example')
    await welcome(wire)
    await takeLetter(wire, '550 5.1.1 <kari@mail.example> unknown')
    await wire.hear()
    wire.say('nothing for kari@mail.example')
  })
  const { send } = transport(url, { log })
  const letters = [letterTo('kari@mail.example'), letterTo('kari@mail.example'), letterTo('kari@mail.example')]
  expect(kinds(await Promise.all(letters.map(send)))).toEqual(['refused', 'unreachable', 'refused'])
  expect(lines).toHaveLength(2)
  expect(lines.join()).not.toContain('kari')
})
