import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect } from 'vitest'
import { letterTo, test } from '../rig/hand-over.ts'
import { takeLetter, takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

const readers = (count: number) => Array.from({ length: count }, (_, at) => letterTo(`reader${at}@mail.example`))
const steps = ['MAIL', 'RCPT', 'DATA', 'dot'] as const
type Step = (typeof steps)[number]

/** Plays one letter up to the reply to `last`, which stays unsaid. */
async function playUpTo(wire: Wire, last: Step): Promise<void> {
  for (const step of steps) {
    if (step === 'dot') await wire.hearLetter()
    else await wire.hear()
    if (step === last) return
    wire.say(step === 'DATA' ? '354 go on' : '250 ok')
  }
}

const offers = ['PIPELINING', '8BITMIME'] as const

for (const offer of offers) {
  for (const step of steps) {
    test(`${offer}: a connection that breaks instead of answering ${step} is told with its phase`, async ({
      host,
      transport,
    }) => {
      const { url } = await host(async (wire) => {
        await welcome(wire, offer)
        await playUpTo(wire, step)
        wire.cut()
      })
      const outcome = await transport(url).send(letterTo('kari@mail.example'))
      if (step === 'dot') expect(outcome.kind).toBe('in-doubt')
      else expect(outcome).toMatchObject({ kind: 'unreachable', phase: step.toLowerCase() })
    })

    test(`${offer}: 421 instead of an answer to ${step} refuses that letter, and the next takes another connection`, async ({
      host,
      transport,
    }) => {
      const { url } = await host(async (wire, nth) => {
        await welcome(wire, offer)
        if (nth > 1) return takeLetters(wire)
        await playUpTo(wire, step)
        wire.say('421 4.3.2 closing')
        await wire.hearEnd()
      })
      const { send } = transport(url)
      const [first, second] = await Promise.all(readers(2).map(send))
      expect(first).toMatchObject({
        kind: 'refused',
        phase: step.toLowerCase(),
        reply: { code: 421, enhanced: '4.3.2' },
      })
      expect(second?.kind).toBe('accepted')
    })

    test(`${offer}: a host silent instead of answering ${step} is given up`, async ({ host, transport }) => {
      const { url } = await host(async (wire) => {
        await welcome(wire, offer)
        await playUpTo(wire, step)
        await wire.hearEnd()
      })
      // For this step alone: on a slow machine another may take as long.
      const limits = { [step.toLowerCase()]: 20 }
      const outcome = await transport(url, { limits }).send(letterTo('kari@mail.example'))
      if (step === 'dot') expect(outcome).toEqual({ kind: 'in-doubt', detail: 'the host took too long' })
      else expect(outcome).toMatchObject({ kind: 'unreachable', phase: step.toLowerCase() })
    })
  }
}

test('a host that gave up an idle connection costs the next letter nothing', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire, nth) => {
    await welcome(wire, 'PIPELINING')
    await takeLetter(wire)
    if (nth > 1) return
    await wire.hear()
    wire.end()
  })
  const { send } = transport(url)
  expect((await send(letterTo('kari@mail.example'))).kind).toBe('accepted')
  expect((await send(letterTo('ola@mail.example'))).kind).toBe('accepted')
  expect(heard).toHaveLength(2)
})

test('a letter that loses its connection twice is told, not tried for ever', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await wire.hear()
    wire.cut()
  })
  const outcome = await transport(url).send(letterTo('kari@mail.example'))
  expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'mail' })
  expect(heard).toHaveLength(2)
})

/** Takes one letter, and the second up to its dot, behind which the third's commands have come. */
async function playUpToThird(wire: Wire): Promise<void> {
  await welcome(wire, 'PIPELINING')
  await takeLetter(wire)
  await playUpTo(wire, 'dot')
  for (const verb of ['MAIL', 'RCPT', 'DATA']) expect(await wire.hear()).toContain(verb)
}

test('only the letter whose dot was written is in doubt, the one behind it is tried again', async ({
  host,
  transport,
}) => {
  const { url } = await host(async (wire, nth) => {
    if (nth === 1) {
      await playUpToThird(wire)
      wire.cut()
    } else {
      await welcome(wire, 'PIPELINING')
      await takeLetters(wire)
    }
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(4).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'in-doubt', 'accepted', 'accepted'])
})

test('where no other connection can be had, the letter behind is unreachable at MAIL FROM', async ({
  host,
  transport,
}) => {
  const { url } = await host(async (wire, nth) => {
    if (nth > 1) return wire.end()
    await playUpToThird(wire)
    wire.cut()
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(4).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'in-doubt', 'unreachable', 'unreachable'])
  expect(outcomes[2]).toMatchObject({ phase: 'mail' })
  expect(outcomes[3]).toMatchObject({ phase: 'greeting' })
})

test('a letter that must not leave any more leaves no dot, and the one behind it goes another way', async ({
  host,
  transport,
}) => {
  let heard = ''
  const { url } = await host(async (wire, nth) => {
    await welcome(wire, 'PIPELINING')
    if (nth === 1) heard = await takeLetters(wire).then(() => '', String)
    else await takeLetters(wire)
  })
  const { send } = transport(url)
  const [first, second, third] = readers(3)
  const outcomes = await Promise.all([first!, { ...second!, beforeDot: () => false }, third!].map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'not-started', 'accepted'])
  expect(heard).not.toContain('reader1')
})

test('a letter whose making outlasted its claim does not begin', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await takeLetters(wire)
  })
  const { send } = transport(url)
  const until = performance.now() + 1_000
  const mayStart = () => {
    while (performance.now() <= until);
    return true
  }
  const [first, second] = readers(2)
  const outcomes = await Promise.all([send({ ...first!, mayStart, until }), send(second!)])
  expect(outcomes.map(({ kind }) => kind)).toEqual(['not-started', 'accepted'])
  expect(heard.flat().join()).not.toContain('reader0')
})

test('a letter whose MAIL FROM left after its claim had run out is not handed over', async ({ host, transport }) => {
  const until = performance.now() + 2_000
  const taken: string[] = []
  const { url, heard } = await host(async (wire, nth) => {
    await welcome(wire, 'PIPELINING')
    if (nth > 1) return takeLetters(wire)
    taken.push(await takeLetter(wire))
    for (const reply of ['250 ok', '250 ok', '354 go on']) {
      await wire.hear()
      if (reply.startsWith('354')) wire.stopReading()
      wire.say(reply)
    }
    // The third one's MAIL FROM waits in the worker meanwhile, behind what the network does not take.
    await new Promise((resolve) => setTimeout(resolve, until - performance.now() + 20))
    wire.readOn()
    taken.push(await wire.hearLetter())
    wire.say('250 taken')
    taken.push(await takeLetter(wire))
  })
  const { send } = transport(url)
  const [first, second, third, fourth] = readers(4)
  const large = { ...second!, parts: [...second!.parts, Buffer.alloc(32 * 1024 * 1024, 'large\r\n')] }
  const outcomes = await Promise.all([first!, large, { ...third!, until }, fourth!].map(send))
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'not-started', 'accepted'])
  expect(heard[0]!.filter((line) => line.startsWith('MAIL'))).toHaveLength(3)
  expect(taken).toHaveLength(2)
})

test('421 after a dot refuses that letter, and the one behind it goes another way', async ({ host, transport }) => {
  const { url } = await host(async (wire, nth) => {
    if (nth === 1) {
      await playUpToThird(wire)
      wire.say('421 4.3.2 closing')
    } else {
      await welcome(wire, 'PIPELINING')
      await takeLetters(wire)
    }
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(3).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'refused', 'accepted'])
  expect(outcomes[1]).toMatchObject({ phase: 'dot', reply: { code: 421 } })
})

test('a letter whose reader left before it could be tried again is not started', async ({ host, transport }) => {
  let hasLeft = false
  const { url } = await host(async (wire, nth) => {
    await welcome(wire, 'PIPELINING')
    await wire.hear()
    hasLeft = nth === 1
    wire.cut()
  })
  const outcome = await transport(url).send(letterTo('kari@mail.example', { mayStart: () => !hasLeft }))
  expect(outcome).toEqual({ kind: 'not-started' })
})

test.for([
  ['MAIL', '354 go on', 'unreachable', 'mail'],
  ['RCPT', '354 go on', 'unreachable', 'rcpt'],
  ['DATA', '250 ok', 'unreachable', 'data'],
  ['dot', '354 go on', 'in-doubt', undefined],
  ['MAIL', 'what?', 'unreachable', 'mail'],
  ['dot', 'what?', 'in-doubt', undefined],
] as const)(
  'an answer to %s of "%s" ends the connection: %s',
  async ([step, answer, kind, phase], { host, transport }) => {
    const { url } = await host(async (wire) => {
      await welcome(wire, 'PIPELINING')
      await playUpTo(wire, step)
      wire.say(answer)
      await wire.hearEnd()
    })
    const outcome = await transport(url).send(letterTo('kari@mail.example'))
    expect(outcome.kind).toBe(kind)
    if (outcome.kind === 'unreachable') expect(outcome.phase).toBe(phase)
  },
)

test('a reply too many is never taken for the answer to the next letter', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire, nth) => {
    await welcome(wire)
    if (nth > 1) return takeLetters(wire)
    await takeLetter(wire, '250 taken\r\n250 taken again')
    await wire.hearEnd()
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(2).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted'])
  expect(heard).toHaveLength(2)
})

test('a letter the host stopped reading half-way is safe to try again', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await playUpTo(wire, 'DATA')
    wire.stopReading()
    wire.say('354 go on')
    await wire.hearEnd()
  })
  // More than the buffers of both ends hold.
  const parts = [Buffer.from('x'.repeat(998).concat('\r\n').repeat(32_000))]
  const outcome = await transport(url, { limits: { block: 50 } }).send(letterTo('kari@mail.example', { parts }))
  expect(outcome).toEqual({ kind: 'unreachable', phase: 'data', detail: 'the host took too long' })
})

test('a letter the host calls taken before it has read its end has not been taken', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire, nth) => {
    await welcome(wire, 'PIPELINING')
    if (nth > 1) return takeLetters(wire)
    await playUpTo(wire, 'DATA')
    wire.stopReading()
    wire.say('354 go on', '250 2.0.0 taken')
    await wire.hearEnd()
  })
  const { send } = transport(url)
  // More than the buffers of both ends hold.
  const parts = [Buffer.from('x'.repeat(998).concat('\r\n').repeat(32_000))]
  const outcome = await send(letterTo('kari@mail.example', { parts }))
  expect(outcome).toMatchObject({ kind: 'unreachable', phase: 'data' })
  expect((await send(letterTo('ola@mail.example'))).kind).toBe('accepted')
  expect(heard).toHaveLength(2)
})

/** Begins a reply to `step`, and never ends it: a byte, and another line, and another, until the client has gone. */
async function dripInsteadOf(wire: Wire, step: Step): Promise<void> {
  await playUpTo(wire, step)
  let isGone = false
  void wire.hearEnd().then(() => {
    isGone = true
  })
  for (let at = 0; !isGone; at += 1) {
    wire.sayRaw('250-still here\r\n'[at % 16]!)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

for (const step of steps)
  test(`a host that answers ${step} byte by byte and never to the end is given up when the whole answer has had its time`, async ({
    host,
    transport,
  }) => {
    const { url } = await host(async (wire) => {
      await welcome(wire, 'PIPELINING')
      await dripInsteadOf(wire, step)
    })
    const limits = { [step.toLowerCase()]: 60 }
    const outcome = await transport(url, { limits }).send(letterTo('kari@mail.example'))
    const detail = 'the host took too long'
    if (step === 'dot') expect(outcome).toEqual({ kind: 'in-doubt', detail })
    else expect(outcome).toEqual({ kind: 'unreachable', phase: step.toLowerCase(), detail })
  })

test('a host that greets line by line and never to the end is given up', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    for (let isGone = false; !isGone; await new Promise((resolve) => setTimeout(resolve, 5))) {
      wire.say('220-host.example')
      void wire.hearEnd().then(() => {
        isGone = true
      })
    }
  })
  const outcome = await transport(url, { limits: { greeting: 60 } }).send(letterTo('kari@mail.example'))
  expect(outcome).toEqual({ kind: 'unreachable', phase: 'greeting', detail: 'the host took too long' })
})

/** A host that reads a letter two megabytes at a time for so long, then as fast as it comes, and keeps nothing of it. */
async function slowReader(slowFor: number): Promise<{ url: string; close(): void }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write('220 host.example\r\n')
    let end = ''
    let isLetter = false
    socket.on('data', (bytes) => {
      end = (end + bytes.subarray(-64).toString('latin1')).slice(-64)
      if (isLetter && end.endsWith('\r\n.\r\n')) {
        isLetter = false
        socket.write('250 2.0.0 taken\r\n')
      } else if (!isLetter && end.endsWith('DATA\r\n')) {
        isLetter = true
        socket.write('354 go on\r\n')
        void readSlowly(socket, slowFor)
      } else if (!isLetter) socket.write('250 ok\r\n')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

async function readSlowly(socket: Socket, slowFor: number): Promise<void> {
  for (const until = performance.now() + slowFor; performance.now() < until; ) {
    socket.resume()
    await new Promise(setImmediate)
    socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  socket.resume()
}

test('a host that reads a large letter slowly gets all of it, though that takes longer than it may stand still', async ({
  transport,
}) => {
  const block = 500
  const { url, close } = await slowReader(2.5 * block)
  // More than the buffers of both ends hold, and what is read meanwhile.
  const parts = [Buffer.from('x'.repeat(998).concat('\r\n').repeat(32_000))]
  const outcome = await transport(url, { limits: { block } }).send(letterTo('kari@mail.example', { parts }))
  expect(outcome).toMatchObject({ kind: 'accepted' })
  close()
})
