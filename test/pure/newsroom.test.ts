import { expect, test } from 'vitest'
import { sampleNewsroom } from '../../services/cli/letters-preview-samples.ts'
import { newsroomFaults } from '../../shared/newsroom/newsroom.ts'

test('a newsroom that can be made has no faults', () => {
  expect(newsroomFaults({ ...sampleNewsroom, replyTo: null })).toEqual([])
  expect(newsroomFaults({ ...sampleNewsroom, replyTo: 'svar@blåbær.example' })).toEqual([])
})

test.each([
  'nowhere',
  '',
  'Havna <presse@havna.example>',
  'presse@havna.example, post@havna.example',
  'presse@havna.example>',
  ' presse@havna.example',
])('a newsroom neither sends from nor is answered at %j', (address) => {
  expect(newsroomFaults({ ...sampleNewsroom, senderAddress: address, replyTo: address })).toEqual([
    'The sender address must be one plain email address, as in press@example.com.',
    'The address for replies must be one plain email address, as in press@example.com.',
  ])
})

test('a line break in the sender’s name or address, which would begin a header, is refused', () => {
  for (const name of ['Havna\r\nBcc: a@example.org', 'Havna\u2028'])
    expect(newsroomFaults({ ...sampleNewsroom, senderName: name })).toHaveLength(1)
})

test('topics are told apart by id and named in each of the newsroom’s languages', () => {
  const topic = { id: 'climate', names: { nb: 'Klima', en: 'Climate' } }
  expect(newsroomFaults({ ...sampleNewsroom, topics: [topic] })).toEqual([])
  expect(newsroomFaults({ ...sampleNewsroom, topics: [topic, topic] })).toEqual(['Two topics have the same id.'])
  expect(newsroomFaults({ ...sampleNewsroom, topics: [{ id: 'Klima!', names: { nb: 'Klima' } }] })).toEqual([
    'The topic id “Klima!” may hold only lower-case letters, digits and hyphens, 63 at most.',
    'The topic “Klima!” needs a name in en.',
  ])
})

test('digests leave at an hour there is, on a day there is', () => {
  expect(newsroomFaults({ ...sampleNewsroom, digestHour: 24, digestWeekday: 0 })).toHaveLength(2)
})

test('origins that may ask by script are written as browsers send them', () => {
  const faultsOf = (origin: string) => newsroomFaults({ ...sampleNewsroom, allowedOrigins: [origin] }).length
  for (const origin of ['https://www.havna.example', 'https://havna.example:8443', 'http://localhost:4000'])
    expect([origin, faultsOf(origin)]).toEqual([origin, 0])
  for (const origin of [
    '*',
    'null',
    'havna.example',
    'http://havna.example',
    'https://havna.example/',
    'https://Havna.example',
    'https://*.havna.example',
  ])
    expect([origin, faultsOf(origin)]).toEqual([origin, 1])
})
