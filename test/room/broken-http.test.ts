import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Check } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Problem } from '../../services/api/refusal-replies.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openTestApi } from '../rig/api.ts'
import { openDesk } from '../rig/ops-desk.ts'

const fault = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
/** None of this gets as far as a database, and there is none. */
const none = { query: () => Promise.reject(fault), connect: () => Promise.reject(fault) } as unknown as Pool

describe.each(['the api', 'the desk'])('what cannot be read as HTTP, at %s', (door) => {
  let app: FastifyInstance
  let port: number
  beforeAll(async () => {
    app = door === 'the api' ? (await openTestApi(none)).app : (await openDesk(none)).app
    // Node.js looks for requests that take too long every half minute, and asks this how often, as it begins to listen.
    Object.assign(app.server, { connectionsCheckingInterval: 20 })
    await app.listen({ host: '127.0.0.1', port: 0 })
    port = (app.server.address() as AddressInfo).port
  })
  afterAll(() => app.close())

  /** Says that, and returns all that is answered until the other side hangs up. */
  async function say(text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1').setEncoding('utf8')
    let answer = ''
    socket.on('data', (part: string) => {
      answer += part
    })
    socket.on('error', () => {})
    socket.write(text)
    await once(socket, 'close')
    return answer
  }

  const parts = (answer: string) => {
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    const [line = '', ...headers] = head.split('\r\n')
    const named = new Map(headers.map((one) => [one.split(': ')[0]!.toLowerCase(), one.split(': ')[1]]))
    return { status: Number(line.split(' ')[1]), named, body }
  }

  const expectProblem = (answer: string, status: number, code: string) => {
    const { status: told, named, body } = parts(answer)
    expect(told).toBe(status)
    expect(named.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(named.get('content-length')).toBe(String(Buffer.byteLength(body)))
    expect(named.get('connection')).toBe('close')
    const problem: unknown = JSON.parse(body)
    expect(Check(Problem, problem)).toBe(true)
    expect(problem).toMatchObject({ status, type: `urn:pressebud:refusal:${code}` })
    expect(body).not.toMatch(/HPE_|node_modules|\.js/)
  }

  test.each([
    ['no HTTP at all', 'EHLO mail.example\r\n\r\n'],
    ['a request line of nonsense', 'GET / HTTP/9.x\r\n\r\n'],
    ['a header that is none', 'GET / HTTP/1.1\r\nHost: a\r\nthis is no header\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a broken chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ])('%s is 400', async (_what, text) => {
    expectProblem(await say(text), 400, 'request-not-valid')
  })

  test('headers without end are 431', async () => {
    expectProblem(await say(`GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`), 431, 'headers-too-large')
  })

  test('a request that never comes to its end is 408', async () => {
    const { requestTimeout, headersTimeout } = app.server
    Object.assign(app.server, { requestTimeout: 1, headersTimeout: 1 })
    try {
      expectProblem(await say('GET / HTTP/1.1\r\nHost: a\r\n'), 408, 'request-too-slow')
    } finally {
      Object.assign(app.server, { requestTimeout, headersTimeout })
    }
  })

  test('nobody else notices: the next request over another connection is answered', async () => {
    expect(parts(await say('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).status).toBe(200)
  })
})
