import { createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { linkKeys, sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { testSecrets } from '../given/secrets.ts'
import { givenSecret, releaseBody, signedHeaders } from '../given/webhook.ts'
import { openTestApi, type TestApi } from '../rig/api.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

let database: TestDatabase
let api: TestApi
let newsroom: Newsroom
let secret: string
let id = 0

beforeAll(async () => {
  database = await openTestDatabase()
  api = await openTestApi(database.pool)
})
afterAll(async () => {
  await api.app.close()
  await database.close()
})
beforeEach(async () => {
  newsroom = await givenNewsroom(database.pool)
  secret = await givenSecret(database.pool, newsroom)
  api.woken.length = 0
  id += 1
})

/** On a slow machine as many take longer than a sender is kept waiting for their turn. */
function waitAsLongAsItTakes(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

type Wishes = { id?: string; headers?: Record<string, string>; slug?: string; at?: Date }

const post = (payload: string, wishes: Wishes = {}) =>
  api.app.inject({
    method: 'POST',
    url: `/webhooks/newsrooms/${wishes.slug ?? newsroom.slug}/releases`,
    headers: wishes.headers ?? signedHeaders(secret, wishes.id ?? `msg_${id}`, payload, wishes.at),
    payload,
  })

const postRelease = (data: Record<string, unknown> = {}, wishes: Wishes = {}) =>
  post(JSON.stringify(releaseBody(data)), wishes)

async function stored(): Promise<{ releases: number; mailings: number; webhooks: number }> {
  const { rows } = await database.pool.query(
    `select (select count(*)::int from releases where newsroom_id = $1) as releases,
            (select count(*)::int from mailings where newsroom_id = $1) as mailings,
            (select count(*)::int from received_webhooks where newsroom_id = $1) as webhooks`,
    [newsroom.id],
  )
  return rows[0]
}

const nothing = { releases: 0, mailings: 0, webhooks: 0 }
const once = { releases: 1, mailings: 1, webhooks: 1 }

describe('over connections that announce a megabyte each and send nothing', () => {
  const head = (headers: Record<string, string>) =>
    [
      `POST /webhooks/newsrooms/${newsroom.slug}/releases HTTP/1.1`,
      ...Object.entries({ host: 'press.example', 'content-length': '1048576', ...headers }).map((pair) =>
        pair.join(': '),
      ),
      '\r\n',
    ].join('\r\n')
  let doors: Awaited<ReturnType<typeof listening>>
  const sockets: Socket[] = []

  async function listening() {
    const own = await openTestApi(database.pool)
    const { port } = new URL(await own.app.listen({ host: '127.0.0.1', port: 0 }))
    const knock = (headers: Record<string, string>) => {
      const socket = connect(Number(port), '127.0.0.1', () => void socket.write(head(headers)))
      sockets.push(socket)
      return new Promise<string>((resolve) => {
        let said = ''
        socket.on('error', () => {})
        socket.on('data', (bytes) => {
          said += bytes
        })
        socket.on('close', () => resolve(said))
      })
    }
    const send = (payload: string, name: string) =>
      own.app.inject({
        method: 'POST',
        url: `/webhooks/newsrooms/${newsroom.slug}/releases`,
        headers: signedHeaders(secret, name, payload),
        payload,
      })
    return { knock, send, close: () => own.app.close() }
  }

  beforeEach(async () => {
    doors = await listening()
    return async () => {
      for (const socket of sockets.splice(0)) socket.destroy()
      await doors.close()
    }
  })

  test('who has no signature is refused before the body', async () => {
    expect(await doors.knock({})).toMatch(/^HTTP\/1.1 401 /)
  })

  test('no more are let in than there is room for, and room comes back', async () => {
    const forged = signedHeaders(secret, 'forged', 'not what is sent')
    const answers = Array.from({ length: 80 }, () => doors.knock(forged))
    const refused = await Promise.race(answers)
    expect(refused).toMatch(/^HTTP\/1.1 503 /)
    const payload = JSON.stringify(releaseBody())
    const answer = async () => (await doors.send(payload, `msg_${id}`)).statusCode
    expect(await answer()).toBe(503)
    for (const socket of sockets) socket.destroy()
    await expect.poll(answer, { timeout: 10_000 }).toBe(202)
  })
})

describe('a key that was sealed under a SECRET_KEY that is gone', () => {
  const gone = ['a-secret-key-that-nobody-has-any-more-12']

  test('keeps no release of the newsroom’s other keys out, and is told in the log, not with every webhook', async () => {
    const lines: string[] = []
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const watched = await openTestApi(database.pool, { log })
    const lost = await givenSecret(database.pool, newsroom, gone)
    const send = (payload: string, signingSecret: string) =>
      watched.app.inject({
        method: 'POST',
        url: `/webhooks/newsrooms/${newsroom.slug}/releases`,
        headers: signedHeaders(signingSecret, `msg_${id}`, payload),
        payload,
      })
    const payload = JSON.stringify(releaseBody())
    expect((await send(payload, lost)).json()).toMatchObject({ type: 'urn:pressebud:refusal:signature-not-valid' })
    expect((await send(payload, secret)).statusCode).toBe(202)
    expect((await send(payload, secret)).statusCode).toBe(202)
    expect(await stored()).toEqual(once)
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({
      newsroom: newsroom.slug,
      key: expect.any(String),
      msg: 'a webhook key does not open and is passed over',
    })
    await watched.app.close()
  })

  test('alone is a fault of ours, which is not told the publisher as theirs', async () => {
    const another = await givenNewsroom(database.pool)
    const lost = await givenSecret(database.pool, another, gone)
    const payload = JSON.stringify(releaseBody())
    const answer = await post(payload, { slug: another.slug, headers: signedHeaders(lost, `msg_${id}`, payload) })
    expect([answer.statusCode, answer.json().type]).toEqual([500, 'urn:pressebud:refusal:fault'])
  })
})

describe('a signed release', () => {
  test('is accepted: stored, owed and on its way', async () => {
    const answer = await postRelease()
    expect(answer.statusCode).toBe(202)
    expect(answer.json()).toMatchObject({
      releaseId: expect.any(String),
      revision: 1,
      mailing: { id: expect.any(String), state: 'accepted' },
    })
    expect(await stored()).toEqual(once)
    expect(api.woken).toEqual([expect.stringContaining('fan-out')])
  })

  test('under embargo is accepted and waits', async () => {
    const answer = await postRelease({ publishedAt: '2099-03-14T10:00:00+01:00' })
    expect(answer.json()).toMatchObject({
      mailing: { state: 'embargoed' },
      detail: expect.stringContaining('2099-03-14T09:00:00.000Z'),
    })
    expect(api.woken).toEqual([])
  })

  test('sent a hundred times at once is one release and one answer', async () => {
    const payload = JSON.stringify(releaseBody())
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(payload)))
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect(answers.every(({ statusCode }) => statusCode === 202)).toBe(true)
    expect(await stored()).toEqual(once)
  })

  test('among more than can wait is stored or told when to come again, and keeps nobody else from being heard', async () => {
    waitAsLongAsItTakes()
    const another = await givenNewsroom(database.pool)
    const anothersSecret = await givenSecret(database.pool, another)
    const payloads = Array.from({ length: 500 }, (_, n) => JSON.stringify(releaseBody({ externalId: `flood-${n}` })))
    const flood = payloads.map((payload, n) => post(payload, { id: `msg_${id}_${n}` }))
    const payload = JSON.stringify(releaseBody())
    const quiet = post(payload, { slug: another.slug, headers: signedHeaders(anothersSecret, `msg_${id}`, payload) })
    const answers = await Promise.all(flood)
    expect((await quiet).statusCode).toBe(202)
    const late = answers.flatMap((answer, n) => (answer.statusCode === 429 ? [n] : []))
    expect(late.length).toBeGreaterThan(0)
    expect(answers[late[0]!]!.json()).toMatchObject({ type: 'urn:pressebud:refusal:too-many-requests' })
    expect(answers[late[0]!]!.headers['retry-after']).toBe('2')
    const accepted = answers.filter(({ statusCode }) => statusCode === 202).length
    expect(accepted).toBe(500 - late.length)
    expect(await stored()).toEqual({ releases: accepted, mailings: accepted, webhooks: accepted })
    // Nothing of it is held against whoever comes again.
    expect((await post(payloads[late[0]!]!, { id: `msg_${id}_${late[0]}` })).statusCode).toBe(202)
  })

  test('finds its place among thousands that are not signed, and a reader who leaves is not kept waiting', async () => {
    waitAsLongAsItTakes()
    const payload = JSON.stringify(releaseBody())
    const stranger = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const forge = (n: number) => {
      if (n % 4 === 0) return { headers: { 'content-type': 'application/json' } }
      const headers = signedHeaders(stranger, `forged_${n}`, payload)
      // Some name a newsroom there is not, or one no database can read.
      return n % 4 === 3 ? { slug: n % 8 === 3 ? `nobody-${n}` : '%00', headers } : { headers }
    }
    const [reader] = await givenReaders(database.pool, newsroom, 1)
    const link = sealToken(linkKeys(testSecrets), 'unsubscribe', [BigInt(reader!.subscriptionId), 0n, 0n])
    // Asked for at once, what is injected also begins at once, and in this order.
    const statusOf = (answer: ReturnType<typeof post>) => answer.then(({ statusCode }) => statusCode)
    const flood: Promise<number>[] = []
    const signed: Promise<number>[] = []
    for (let n = 0; n < 2_000; n += 1) {
      flood.push(statusOf(post(payload, forge(n))))
      if (n % 100 === 99) signed.push(statusOf(post(payload, { id: `msg_${id}_${n}` })))
    }
    const leaving = api.app.inject({
      method: 'POST',
      url: `/unsubscribe/${link}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'List-Unsubscribe=One-Click',
    })
    expect((await leaving).statusCode).toBe(200)
    const { rows } = await database.pool.query('select state from subscriptions where id = $1', [
      reader!.subscriptionId,
    ])
    expect(rows).toEqual([{ state: 'ended' }])
    expect(await Promise.all(signed)).toEqual(Array(20).fill(202))
    const statuses = await Promise.all(flood)
    expect(statuses.filter((status) => status === 404)).toHaveLength(500)
    expect(statuses.filter((status) => status === 401)).toHaveLength(1_500)
    expect(await stored()).toEqual({ releases: 1, mailings: 1, webhooks: 20 })
  })

  test('signed with a key that was ended a moment ago is refused, though others are being looked up', async () => {
    const payload = JSON.stringify(releaseBody())
    const before = Array.from({ length: 20 }, (_, n) => post(payload, { id: `msg_${id}_${n}` }))
    expect((await Promise.all(before)).every(({ statusCode }) => statusCode === 202)).toBe(true)
    const still = Array.from({ length: 20 }, (_, n) => post(payload, { id: `msg_${id}_${n}` }))
    // By the api's clock, which is the one that is asked, in milliseconds.
    await database.pool.query('update newsroom_keys set ended_at = $2 where newsroom_id = $1', [
      newsroom.id,
      new Date(),
    ])
    const after = await post(payload, { id: `msg_${id}_after` })
    expect([after.statusCode, after.json().type]).toEqual([401, 'urn:pressebud:refusal:signature-not-valid'])
    await Promise.all(still)
  })

  test('sent again under another id owes nothing twice', async () => {
    const first = await postRelease()
    const second = await postRelease({}, { id: `msg_${id}_again` })
    expect(second.statusCode).toBe(202)
    expect(second.json().releaseId).toBe(first.json().releaseId)
    expect(await stored()).toMatchObject({ releases: 1, mailings: 1 })
  })

  test('changed under the same webhook id is refused', async () => {
    await postRelease()
    const answer = await postRelease({ externalId: 'another' })
    expect(answer.statusCode).toBe(409)
    expect(answer.json().type).toBe('urn:pressebud:refusal:webhook-id-reused')
    expect(await stored()).toEqual(once)
  })

  test('changed under the same external id is refused', async () => {
    await postRelease()
    const answer = await postRelease({ publishedAt: '2024-03-15T10:00:00+01:00' }, { id: `msg_${id}_again` })
    expect(answer.statusCode).toBe(409)
    expect(await stored()).toEqual(once)
  })

  test('is not a release of another newsroom, whoever signed it', async () => {
    const other = await givenNewsroom(database.pool)
    const answer = await postRelease({}, { slug: other.slug })
    expect(answer.statusCode).toBe(401)
    expect(await stored()).toEqual(nothing)
  })
})

describe('turned away with a problem, and nothing stored:', () => {
  const body = JSON.stringify(releaseBody())
  const cases: [string, number, () => ReturnType<typeof post>][] = [
    ['no signature', 401, () => post(body, { headers: { 'content-type': 'application/json' } })],
    [
      'a foreign signature',
      401,
      () => post(body, { headers: signedHeaders(`whsec_${Buffer.alloc(32).toString('base64')}`, 'msg_x', body) }),
    ],
    ['a body changed after signing', 401, () => post(`${body} `, { headers: signedHeaders(secret, 'msg_x', body) })],
    ['a stale timestamp', 401, () => post(body, { at: new Date(Date.now() - 302_000) })],
    ['a timestamp ahead', 401, () => post(body, { at: new Date(Date.now() + 310_000) })],
    ['an unknown newsroom', 404, () => post(body, { slug: 'nobody-here' })],
    ['a body that is no JSON', 400, () => post('{"type":')],
    ['an empty body', 400, () => post('')],
    [
      'a body that is not UTF-8',
      400,
      () => postBytes(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])),
    ],
    ['a body over a megabyte', 413, () => post(`"${'x'.repeat(1_200_000)}"`)],
    ['a list', 422, () => post('[]')],
    ['an unknown type', 422, () => post(JSON.stringify({ ...releaseBody(), type: 'release.sold' }))],
    ['an unknown member', 422, () => postRelease({ publishedat: 'x' })],
    ['no language', 422, () => postRelease({ languages: {} })],
    [
      'a language the newsroom does not write in',
      422,
      () => postRelease({ languages: { fi: { title: 'T', lead: 'L', bodyHtml: '' } } }),
    ],
    ['an hour without its offset', 422, () => postRelease({ publishedAt: '2024-03-14T10:00:00' })],
    ['a day that does not exist', 422, () => postRelease({ publishedAt: '2024-13-14T10:00:00Z' })],
    ['a topic the newsroom does not have', 422, () => postRelease({ topics: ['weather'] })],
    ['a zone nobody knows', 422, () => postRelease({ zone: 'Europe/Nowhere' })],
    ['a picture at javascript:', 422, () => postRelease({ images: [{ url: 'javascript:alert(1)', alt: '' }] })],
    ['a document at file:', 422, () => postRelease({ documents: [{ url: 'file:///etc/passwd', title: 'x' }] })],
    ['a contact without an address at all', 422, () => postRelease({ contacts: [{ name: 'Kari', email: 'nobody' }] })],
    ['CR and LF in the title', 422, () => postRelease(titled('Hei\r\nBcc: all@readers.example'))],
    ['a line separator in the title', 422, () => postRelease(titled('Hei\u2028der'))],
    ['NUL in the body', 422, () => postRelease({ languages: { nb: { title: 'T', lead: '', bodyHtml: 'a\u0000b' } } })],
    ['half a character', 422, () => post(JSON.stringify(releaseBody()).replace('Ny brygge', '\\ud800'))],
    ['CR in the external id', 422, () => postRelease({ externalId: 'a\rb' })],
    ['a title without end', 422, () => postRelease(titled('x'.repeat(301)))],
  ]
  const titled = (title: string) => ({ languages: { nb: { title, lead: '', bodyHtml: '' } } })
  // The library signs text only, so broken UTF-8 is signed by hand.
  const postBytes = (payload: Buffer) => {
    const headers = signedHeaders(secret, 'msg_b', '')
    const mac = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    mac.update(`msg_b.${headers['webhook-timestamp']}.`).update(payload)
    return api.app.inject({
      method: 'POST',
      url: `/webhooks/newsrooms/${newsroom.slug}/releases`,
      headers: { ...headers, 'webhook-signature': `v1,${mac.digest('base64')}` },
      payload,
    })
  }

  test.each(cases)('%s (%i)', async (_what, status, ask) => {
    const answer = await ask()
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    const problem = answer.json()
    expect(problem).toMatchObject({
      type: expect.stringMatching(/^urn:pressebud:refusal:/),
      status,
      title: expect.any(String),
      detail: expect.any(String),
    })
    expect(answer.body).not.toMatch(/node_modules|\.ts:\d|at \w+ \(/)
    if (status === 422) expect(problem.errors.length).toBeGreaterThan(0)
    expect(await stored()).toEqual(nothing)
    expect(api.woken).toEqual([])
  })

  test('malformed bodies are not even read before the signature', async () => {
    const answer = await post('{"broken', { headers: { 'content-type': 'application/json' } })
    expect(answer.statusCode).toBe(401)
  })
})

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
describe.skipIf(!existsSync(strings))('naughty strings', () => {
  test('in every field are stored whole or refused, never half', async () => {
    const naughty = (JSON.parse(readFileSync(strings, 'utf8')) as string[]).filter((text) => text !== '')
    let accepted = 0
    for (const [index, text] of naughty.entries()) {
      const data = {
        externalId: text.slice(0, 150) + index,
        languages: { nb: { title: text, lead: text, bodyHtml: text } },
        contacts: [{ name: text, role: text, phone: text }],
        images: [{ url: 'https://press.example/a.png', alt: text, caption: text, credit: text }],
        documents: [{ url: 'https://press.example/a.pdf', title: text, type: text }],
        links: [{ url: 'https://press.example/', title: text }],
      }
      const answer = await postRelease(data, { id: `msg_naughty_${index}` })
      expect([202, 422]).toContain(answer.statusCode)
      if (answer.statusCode !== 202) continue
      accepted += 1
      const { rows } = await database.pool.query(`select content from revisions where release_id = $1`, [
        answer.json().releaseId,
      ])
      expect(rows[0].content.languages.nb.title).toBe(text)
    }
    expect(accepted).toBeGreaterThan(naughty.length / 2)
    expect(await stored()).toEqual({ releases: accepted, mailings: accepted, webhooks: accepted })
  })
})

describe('every other refusal is a problem too:', () => {
  test.each([
    ['GET', '/nowhere', 404],
    ['GET', '/webhooks/newsrooms/x/releases', 405],
    ['DELETE', '/livez', 405],
    ['GET', '/%ff', 400],
  ] as const)('%s %s is %i', async (method, url, status) => {
    const answer = await api.app.inject({ method, url })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    if (status === 405) expect(answer.headers.allow).toBeTruthy()
  })

  test('the service says that it lives and is ready', async () => {
    expect((await api.app.inject('/livez')).json()).toEqual({ status: 'ok' })
    expect((await api.app.inject('/readyz')).json()).toEqual({ status: 'ok' })
  })
})
