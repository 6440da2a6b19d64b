import { expect, vi } from 'vitest'
import { letterTo, signal, test } from '../rig/hand-over.ts'
import { takeLetter, takeLetters, type Wire, welcome } from '../rig/scripted-smtp.ts'

const readers = (count: number) => Array.from({ length: count }, (_, at) => letterTo(`reader${at}@mail.example`))

test('a letter arrives byte for byte, dots as they were stuffed', async ({ host, transport }) => {
  const text = 'Subject: dots\r\n\r\n..\r\n...x\r\n\r\n..\r\nend.\r\n'
  let arrived = ''
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    arrived = await takeLetter(wire, '250 2.0.0 queued as 4Xy')
  })
  const parts = [Buffer.from(text.slice(0, 20)), Buffer.from(text.slice(20, 21)), Buffer.from(text.slice(21))]
  const outcome = await transport(url).send(letterTo('kari@mail.example', { parts }))
  expect(outcome).toEqual({ kind: 'accepted', reply: { code: 250, enhanced: '2.0.0', text: 'queued as 4Xy' } })
  expect(arrived).toBe(text)
})

test('a large letter arrives whole', async ({ host, transport }) => {
  const parts = Array.from({ length: 40 }, (_, at) => Buffer.from(`${String(at).padStart(98, 'x')}\r\n`.repeat(1000)))
  let arrived = ''
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    arrived = await takeLetter(wire)
  })
  expect(await transport(url).send(letterTo('kari@mail.example', { parts }))).toMatchObject({ kind: 'accepted' })
  expect(arrived === Buffer.concat(parts).toString('latin1')).toBe(true)
})

test('letters refused before the host has read them are not written over by the next', async ({ host, transport }) => {
  // Each is less than we keep a buffer for; together they are more than the network holds for a host that does not read.
  const texts = Array.from({ length: 26 }, (_, at) =>
    String.fromCharCode(97 + at)
      .repeat(98)
      .concat('\r\n')
      .repeat(4000),
  )
  const started = texts.map(() => signal())
  const arrived: string[] = []
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    wire.stopReading()
    for (const { given } of started) {
      await given
      wire.say('250 ok', '250 ok', '354 go on', '552 5.3.4 too large')
    }
    wire.readOn()
    while (arrived.length < texts.length) {
      for (const verb of ['MAIL', 'RCPT', 'DATA']) expect(await wire.hear()).toContain(verb)
      arrived.push(await wire.hearLetter())
    }
  })
  const { send } = transport(url, { limits: { prompt: 0 } })
  const letters = texts.map((text, at) => {
    const mayStart = () => {
      setImmediate(started[at]!.give)
      return true
    }
    return letterTo('kari@mail.example', { parts: [Buffer.from(text)], mayStart })
  })
  const outcomes = await Promise.all(letters.map(send))
  expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['refused']))
  await vi.waitFor(() => expect(arrived).toHaveLength(texts.length), 10_000)
  expect(arrived.every((letter, at) => letter === texts[at])).toBe(true)
})

test('a letter whose last line has no end does not swallow the dot', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire)
    expect(await takeLetter(wire)).toBe('cut short\r\n')
  })
  const outcome = await transport(url).send(letterTo('kari@mail.example', { parts: [Buffer.from('cut short')] }))
  expect(outcome.kind).toBe('accepted')
})

test('with PIPELINING the commands of a letter leave together', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    // All three are heard before the first is answered.
    for (const verb of ['MAIL', 'RCPT', 'DATA']) expect(await wire.hear()).toContain(verb)
    wire.say('250 ok', '250 ok', '354 go on')
    await wire.hearLetter()
    wire.say('250 taken')
  })
  expect(await transport(url).send(letterTo('kari@mail.example'))).toMatchObject({ kind: 'accepted' })
})

test("with PIPELINING the next letter's commands leave with the letter before it", async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    await takeLetter(wire)
    for (const reply of ['250 ok', '250 ok', '354 go on']) {
      await wire.hear()
      wire.say(reply)
    }
    await wire.hearLetter()
    // The third letter's commands are here before the second has its answer.
    for (const verb of ['MAIL', 'RCPT', 'DATA']) expect(await wire.hear()).toContain(verb)
    wire.say('250 second taken', '250 ok', '550 5.1.1 no such reader', '554 no recipients')
    await takeLetters(wire)
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(4).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted', 'refused', 'accepted'])
  expect(outcomes[1]).toMatchObject({ reply: { text: 'second taken' } })
  expect(outcomes[2]).toMatchObject({ phase: 'rcpt', reply: { enhanced: '5.1.1' } })
})

test('a host slow to answer a dot gets no letter behind it', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING')
    for (let letter = 0; letter < 3; letter += 1) {
      for (const reply of ['250 ok', '250 ok', '354 go on']) {
        await wire.hear()
        wire.say(reply)
      }
      await wire.hearLetter()
      expect(wire.hasMore()).toBe(false)
      wire.say('250 taken')
    }
  })
  const { send } = transport(url, { limits: { prompt: 0 } })
  const outcomes = await Promise.all(readers(3).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted', 'accepted'])
})

test('without PIPELINING every command waits for its answer', async ({ host, transport }) => {
  const { url } = await host(async (wire) => {
    await welcome(wire, '8BITMIME')
    for (let letter = 0; letter < 2; letter += 1) {
      expect(await wire.hear()).toBe('MAIL FROM:<b+1@bounce.example>')
      wire.say('250 ok')
      expect(await wire.hear()).toBe(`RCPT TO:<reader${letter}@mail.example>`)
      wire.say('250 ok')
      expect(await wire.hear()).toBe('DATA')
      wire.say('354 go on')
      await wire.hearLetter()
      wire.say('250 taken')
    }
  })
  const { send } = transport(url)
  const outcomes = await Promise.all(readers(2).map(send))
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted'])
})

const verbs = ['MAIL', 'RCPT', 'DATA', 'dot'] as const

async function refuseAt(wire: Wire, at: (typeof verbs)[number], refusal: string): Promise<void> {
  for (const verb of verbs) {
    if (verb === 'dot') await wire.hearLetter()
    else expect(await wire.hear()).toContain(verb)
    if (verb === at) return wire.say(refusal)
    wire.say(verb === 'DATA' ? '354 go on' : '250 ok')
  }
}

test.for(verbs)(
  'a refusal at %s is told with its phase and reply, and the next letter goes on',
  async (at, { host, transport }) => {
    const { url, heard } = await host(async (wire) => {
      await welcome(wire)
      await refuseAt(wire, at, '451-4.7.1 Greylisted,\r\n451 4.7.1 come back later')
      await takeLetters(wire)
    })
    const { send } = transport(url)
    const [first, second] = await Promise.all(readers(2).map(send))
    const reply = { code: 451, enhanced: '4.7.1', text: 'Greylisted, come back later' }
    expect(first).toEqual({ kind: 'refused', phase: at.toLowerCase(), reply })
    expect(second?.kind).toBe('accepted')
    // A transaction the host still holds open is ended before the next begins.
    expect(heard[0]?.includes('RSET')).toBe(at === 'RCPT' || at === 'DATA')
  },
)

test.for(['MAIL', 'RCPT', 'DATA'] as const)(
  'pipelined, a refusal at %s is the same',
  async (at, { host, transport }) => {
    const { url, heard } = await host(async (wire) => {
      await welcome(wire, 'PIPELINING')
      for (const verb of ['MAIL', 'RCPT', 'DATA'] as const) {
        await wire.hear()
        const isReached = verbs.indexOf(verb) < verbs.indexOf(at)
        if (verb === at) wire.say('550 5.7.1 not from you')
        else wire.say(isReached ? '250 ok' : '503 5.5.1 bad sequence')
      }
      await takeLetters(wire)
    })
    const { send } = transport(url)
    const [first, second] = await Promise.all(readers(2).map(send))
    const reply = { code: 550, enhanced: '5.7.1', text: 'not from you' }
    expect(first).toEqual({ kind: 'refused', phase: at.toLowerCase(), reply })
    expect(second?.kind).toBe('accepted')
    expect(heard[0]?.includes('RSET')).toBe(at !== 'MAIL')
  },
)

test.for(['250 2.0.0 empty message taken', '554 5.5.1 no valid recipients'])(
  'a host that asks for the letter of a refused recipient gets a lone dot, and its "%s" is no acceptance',
  async (answer, { host, transport }) => {
    const { url } = await host(async (wire) => {
      await welcome(wire, 'PIPELINING')
      for (const reply of ['250 ok', '550 5.1.1 no such reader', '354 go on']) {
        await wire.hear()
        wire.say(reply)
      }
      expect(await wire.hearLetter()).toBe('')
      wire.say(answer)
      expect(await wire.hear()).toBe('RSET')
      wire.say('250 ok')
      await takeLetters(wire)
    })
    const { send } = transport(url)
    const [first, second] = await Promise.all(readers(2).map(send))
    expect(first).toMatchObject({ kind: 'refused', phase: 'rcpt', reply: { enhanced: '5.1.1' } })
    expect(second?.kind).toBe('accepted')
  },
)

test('what the host offers is used: SIZE, DSN and SMTPUTF8', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING', 'SIZE 1000', 'DSN', 'SMTPUTF8')
    await takeLetters(wire)
  })
  const { send } = transport(url)
  const parts = [Buffer.from('x\r\n')]
  await send({ envelope: { from: '', to: 'kari@mail.example', envid: 'a+b=c d' }, parts, mayStart: () => true })
  await send(letterTo('blåbær@mail.example', { parts }))
  expect(heard[0]?.slice(1, 3)).toEqual([
    'MAIL FROM:<> SIZE=3 RET=HDRS ENVID=a+2Bb+3Dc+20d',
    'RCPT TO:<kari@mail.example> NOTIFY=FAILURE',
  ])
  expect(heard[0]?.slice(4, 6).map((line) => Buffer.from(line, 'latin1').toString())).toEqual([
    'MAIL FROM:<b+1@bounce.example> SIZE=3 SMTPUTF8 RET=HDRS',
    'RCPT TO:<blåbær@mail.example> NOTIFY=FAILURE',
  ])
})

test('a letter the host has said it cannot take is refused here', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'SIZE 1000')
    await takeLetters(wire)
  })
  const { send } = transport(url)
  const large = letterTo('kari@mail.example', { parts: [Buffer.from('x'.repeat(1100))] })
  expect(await send(large)).toMatchObject({ kind: 'refused', phase: 'mail', reply: { code: 552, enhanced: '5.3.4' } })
  const beyondAscii = letterTo('blåbær@mail.example')
  expect(await send(beyondAscii)).toMatchObject({ phase: 'mail', reply: { code: 553, enhanced: '5.6.7' } })
  expect(heard[0]).toEqual(['EHLO press.example'])
})

test.for([
  'kari@mail.example\r\nRCPT TO:<evil@mail.example>',
  'kari@mail.example> NOTIFY=NEVER',
  '<kari@mail.example>',
  'kari nordmann@mail.example',
  'kari@mail.example\0',
  'kari@mail.example\n',
  'kariĊ@evil@mail.example',
  '"kari\r\n"@mail.example',
  '"kari"x"@mail.example',
  'kari',
  '',
  `${'x'.repeat(250)}@mail.example`,
])('the address %j is refused and never written', async (to, { host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire, 'PIPELINING', 'SMTPUTF8')
    await takeLetters(wire)
  })
  const { send } = transport(url)
  expect(await send(letterTo(to))).toMatchObject({
    kind: 'refused',
    phase: 'mail',
    reply: { code: 553, enhanced: '5.1.3' },
  })
  const from = to === '' ? 'x y@bounce.example' : to
  expect(await send(letterTo('kari@mail.example', { envelope: { from, to: 'kari@mail.example' } }))).toMatchObject({
    kind: 'refused',
  })
  // A letter is made for a connection that is open: the host has heard our name, and nothing more.
  expect(heard).toEqual([['EHLO press.example']])
})

test('a quoted local part may hold a space', async ({ host, transport }) => {
  const { url, heard } = await host(async (wire) => {
    await welcome(wire)
    await takeLetters(wire)
  })
  expect(await transport(url).send(letterTo('"kari nordmann"@mail.example'))).toMatchObject({ kind: 'accepted' })
  expect(heard[0]?.[2]).toBe('RCPT TO:<"kari nordmann"@mail.example>')
})
