import fc from 'fast-check'
import { expect, test } from 'vitest'
import { garbage, incomplete, readReplies, toReply } from '../../shared/transport/smtp-reply.ts'

const said = [
  '220 host.example ESMTP\r\n',
  '250-host.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n',
  '354\r\n',
  '550-5.1.1 No such\r\n550 5.1.1 reader\r\n',
].join('')

function readAll(packets: readonly string[]) {
  const reader = readReplies()
  const found: { code: number; lines: readonly string[] }[] = []
  for (const packet of packets) {
    reader.feed(Buffer.from(packet))
    for (let code = reader.next(); code !== incomplete; code = reader.next()) {
      found.push({ code, lines: code === garbage ? [] : reader.lines() })
      if (code === garbage) return found
    }
  }
  return found
}

test('replies are the same however the network cuts them into packets', () => {
  const whole = readAll([said])
  expect(whole.map((reply) => reply.code)).toEqual([220, 250, 354, 550])
  expect(whole[1]?.lines).toEqual(['host.example', 'PIPELINING', 'SIZE 1000'])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: said.length - 1 }), { maxLength: 12 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), said.length]
      const packets = places.slice(1).map((place, at) => said.slice(places[at], place))
      expect(readAll(packets)).toEqual(whole)
    }),
  )
})

test('a packet buffer may be read into again before the reply is whole', () => {
  const reader = readReplies()
  const packet = Buffer.from('250 2.0')
  reader.feed(packet)
  expect(reader.next()).toBe(incomplete)
  expect(reader.holdsBytes()).toBe(true)
  packet.fill('x')
  reader.feed(Buffer.from('.0 taken\r\n'))
  expect(reader.next()).toBe(250)
  expect(reader.lines()).toEqual(['2.0.0 taken'])
  expect(reader.holdsBytes()).toBe(false)
  expect(reader.next()).toBe(incomplete)
  expect(reader.holdsBytes()).toBe(false)
})

test.each([
  ['a line ended by LF alone', '250 ok\n'],
  ['two codes in one reply', '250-one\r\n251 two\r\n'],
  ['a code below 200', '150 hm\r\n'],
  ['a code of letters', 'HTTP/1.1 400 Bad Request\r\n'],
  ['a code and a letter', '250x\r\n'],
  ['an empty line', '\r\n'],
  ['a line that does not end', `250 ${'x'.repeat(3000)}`],
  ['a reply that does not end', '250-more\r\n'.repeat(500)],
])('%s is garbage', (_, words) => {
  expect(readAll([words]).at(-1)?.code).toBe(garbage)
})

test('the enhanced code is read apart from the text, on every line', () => {
  expect(toReply(550, ['5.1.1 No such', '5.1.1 reader'])).toEqual({
    code: 550,
    enhanced: '5.1.1',
    text: 'No such reader',
  })
  expect(toReply(250, ['ok'])).toEqual({ code: 250, enhanced: null, text: 'ok' })
})

test('an enhanced code that contradicts the basic one is not believed', () => {
  expect(toReply(450, ['5.1.1 No such reader'])).toEqual({ code: 450, enhanced: null, text: '5.1.1 No such reader' })
})

test('control characters in a reply do not reach whoever reads it', () => {
  expect(toReply(550, ['5.7.1 \u001b[2Jno\u2028way\r']).text).toBe('[2Jno way')
})
