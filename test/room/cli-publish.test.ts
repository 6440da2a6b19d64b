import { writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { emptyFolder, type Typed, type } from './cli-rig.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const examples = join(import.meta.dirname, '../../examples')
type Arrived = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }

const acceptedNow = {
  releaseId: '01935a7e-0000-7000-8000-000000000000',
  revision: 1,
  mailing: { id: '7', state: 'accepted' },
  detail: 'Accepted. Letters are leaving now.',
}

let door: Server
let api: string
let arrived: Arrived[]
let answer: { status: number; body: unknown; headers?: Record<string, string> }

beforeEach(async () => {
  arrived = []
  answer = { status: 202, body: acceptedNow }
  door = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    arrived.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(parts).toString('utf8') })
    response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body))
  })
  await new Promise<void>((ready) => door.listen(0, '127.0.0.1', ready))
  api = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
})
afterEach(() => new Promise((closed) => door.close(closed)))

const publish = (file: string, more: readonly string[] = [], typed: Typed = {}) =>
  type(['publish', file, '--newsroom', 'klyngekontoret', '--api', api, ...more], {
    ...typed,
    env: { PRESSEBUD_SECRET: secret, ...typed.env },
  })

describe('a published release', () => {
  test('arrives at the newsroom’s door, signed so that any Standard Webhooks library believes it', async () => {
    const { exit, out } = await publish(`${examples}/release.json`)
    expect(exit).toBe(0)
    expect(out).toContain('2024-031 of klyngekontoret is accepted')
    expect(out).toContain('Tolv nye i klyngeprogrammet')
    const [webhook] = arrived
    expect(webhook?.path).toBe('/webhooks/newsrooms/klyngekontoret/releases')
    const read = new Webhook(secret).verify(webhook!.body, webhook!.headers as Record<string, string>)
    expect(read).toMatchObject({ type: 'release.published', data: { externalId: '2024-031' } })
  })

  test('has every placeholder replaced by the public address', async () => {
    await publish(`${examples}/release.json`)
    expect(arrived[0]?.body).not.toContain('{{')
    expect(arrived[0]?.body).toContain(`${api}/files/images/cluster-coast.png`)
  })

  test('sent twice is one webhook; changed, it is another', async () => {
    const file = join(emptyFolder(), 'release.json')
    writeFileSync(file, '{"data":{"externalId":"a"}}')
    await publish(file)
    await publish(file)
    writeFileSync(file, '{"data":{"externalId":"b"}}')
    await publish(file)
    const ids = arrived.map(({ headers }) => headers['webhook-id'])
    expect(ids[0]).toBe(ids[1])
    expect(ids[2]).not.toBe(ids[0])
    expect(ids[0]).not.toContain('.')
    await publish(file, ['--id', 'mine-1'])
    expect(arrived[3]?.headers['webhook-id']).toBe('mine-1')
  })

  test('under embargo is told with its hour in its own zone', async () => {
    answer.body = { ...acceptedNow, mailing: { id: '7', state: 'embargoed' } }
    const { out } = await publish('-', [], {
      input: '{"data":{"externalId":"a","publishedAt":"2027-03-14T09:00:00Z","zone":"Europe/Oslo"}}',
    })
    expect(out).toContain('nothing is shown before 14 March 2027 at 10:00 (Europe/Oslo)')
  })

  test('comes from standard input as well, and the raw answer is shown when asked for', async () => {
    const { out } = await publish('-', ['--json'], { input: '{"data":{"externalId":"æøå"}}' })
    expect(JSON.parse(out)).toEqual(answer.body)
    expect(arrived[0]?.body).toBe('{"data":{"externalId":"æøå"}}')
  })
})

describe('a release turned away', () => {
  test('tells what the door said, fault by fault', async () => {
    const errors = [{ pointer: '/data/languages/nb/title', detail: 'is missing' }]
    answer = { status: 422, body: { title: 'The body is not as asked.', detail: 'is missing', errors } }
    const { exit, err, out } = await publish(`${examples}/release.json`)
    expect({ exit, out }).toEqual({ exit: 1, out: '' })
    expect(err).toContain('The release was not accepted. The body is not as asked.')
    expect(err).toContain('/data/languages/nb/title  is missing')
    expect(err.split('is missing')).toHaveLength(2)
  })

  test('for being busy may come again in so many seconds', async () => {
    answer = { status: 503, body: {}, headers: { 'retry-after': '7' } }
    expect((await publish(`${examples}/release.json`)).err).toContain('again in 7 seconds: that is safe')
  })

  test('cannot move the cursor or colour the screen', async () => {
    answer = { status: 422, body: { detail: '\u001b[2Jgone\r\n\u202e' } }
    expect((await publish(`${examples}/release.json`)).err).not.toMatch(/[\u001b\r\u202e]/)
  })

  test('by nobody, because nobody is there, may be sent again', async () => {
    const { exit, err } = await publish(`${examples}/release.json`, ['--api', 'http://127.0.0.1:1'])
    expect(exit).toBe(1)
    expect(err).toContain('There was no answer from http://127.0.0.1:1.')
  })
})

describe('what cannot be published', () => {
  const written = (bytes: string | Buffer) => {
    const file = join(emptyFolder(), 'release.json')
    writeFileSync(file, bytes)
    return file
  }

  test.each([
    ['a file that is not there', () => 'nowhere.json', [], 'There is no file nowhere.json'],
    ['a folder', () => examples, [], 'is a folder'],
    ['what is not JSON', () => written('{"data":'), [], 'is not JSON'],
    ['what is not UTF-8', () => written(Buffer.from([0x22, 0xe6, 0x22])), [], 'is not UTF-8'],
    ['a webhook-id with a full stop', () => written('{}'), ['--id', 'a.b'], 'no full stop'],
    ['a secret that is none', () => written('{}'), ['--secret', 'whsec_abc'], 'not a webhook secret'],
    ['to an address that is none', () => written('{}'), ['--api', 'localhost:3000'], 'not a web address'],
  ])('%s', async (_, file, more, told) => {
    const { exit, err } = await publish(file(), more)
    expect({ exit, err }).toEqual({ exit: 2, err: expect.stringContaining(told) })
    expect(arrived).toEqual([])
  })

  test('anything, with nothing to sign with', async () => {
    const { exit, err } = await publish(`${examples}/release.json`, [], { env: { PRESSEBUD_SECRET: '' } })
    expect(exit).toBe(2)
    expect(err).toContain('PRESSEBUD_SECRET')
  })
})
