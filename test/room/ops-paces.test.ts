import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Pace } from '../../shared/delivery/pace.ts'
import { givenPace } from '../given/pace.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { asForm, cookieOf, type Desk, here, openDesk } from '../rig/ops-desk.ts'
import { type } from './cli-rig.ts'

let postgres: TestDatabase
let desk: Desk
let cookie: string

const now = new Date('2026-06-01T03:00:00Z')
const blocked: Pace = {
  rate: 1,
  heldUntil: now.getTime() + 120_000,
  holds: 2,
  reason: 'blocked',
  detail: '421 4.7.0 <script>alert(1)</script> too many from you, <ada.lovelace@strict.example>',
  changedAt: now.getTime() - 1_000,
}
const slow: Pace = {
  ...blocked,
  rate: 0.8333,
  heldUntil: 0,
  holds: 0,
  reason: 'slow',
  detail: 'A letter takes 2400 ms.',
}

beforeAll(async () => {
  postgres = await openTestDatabase()
  desk = await openDesk(postgres.pool)
  cookie = await desk.login()
  desk.clock.now = now
})
afterAll(() => postgres.close())
beforeEach(() => postgres.pool.query('truncate paces'))

const machine = async (shown = cookie) =>
  (await desk.app.inject({ url: '/machine', headers: { cookie: shown, accept: 'text/html' } })).body
const free = (domain: string, headers: Record<string, string> = here) =>
  desk.app.inject({
    method: 'POST',
    url: '/machine/paces/free',
    headers: { ...headers, ...asForm, cookie, accept: 'text/html' },
    payload: new URLSearchParams({ domain }).toString(),
  })
const paced = async () =>
  (await postgres.pool.query<{ domain: string }>('select domain from paces order by 1')).rows.map(
    ({ domain }) => domain,
  )
const run = (line: string) => type(line.split(' '), { env: { DATABASE_URL: postgres.url }, now })

describe('receiving domains with a pace', () => {
  beforeEach(async () => {
    await givenPace(postgres.pool, 'slow.example', slow)
    await givenPace(postgres.pool, 'recovering.example', { ...blocked, rate: 3.375, heldUntil: now.getTime() - 1 })
    await givenPace(postgres.pool, 'strict.example', blocked)
    await givenPace(postgres.pool, 'stricter.example', { ...blocked, changedAt: now.getTime() })
  })

  test('stand on the machine page, newest worst first, with how fast, until when and the words of the provider', async () => {
    const body = await machine()
    expect([...body.matchAll(/name="domain" value="([^"]*)"/g)].map(([, domain]) => domain)).toEqual([
      'stricter.example',
      'strict.example',
      'recovering.example',
      'slow.example',
    ])
    const row = (domain: string) => body.split('<tr>').find((part) => part.includes(`value="${domain}"`)) ?? ''
    expect(row('strict.example')).toContain('1 Jun 2026, 03:02:00 UTC')
    expect(row('strict.example')).toMatch(/Held<.*2 in a row.*421 4\.7\.0/s)
    expect(row('slow.example')).toMatch(/Slow<.*>0\.83<.*>–<.*2400 ms/s)
    expect(row('recovering.example')).toMatch(/Recovering<.*>3\.4</s)
  })

  test('show a provider’s words as text, without the addresses in them, which the database does not keep either', async () => {
    const body = await machine()
    expect(body).toContain('&lt;script&gt;')
    expect(body).not.toContain('<script>')
    expect(body).toContain('a…e@strict.example')
    const { rows } = await postgres.pool.query('select detail from paces')
    expect(JSON.stringify(rows)).not.toContain('lovelace')
  })

  test('run free when the operator says so, which is confirmed once', async () => {
    const answer = await free('strict.example')
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/machine'])
    expect(await paced()).toEqual(['recovering.example', 'slow.example', 'stricter.example'])
    const after = await desk.app.inject({ url: '/machine', headers: { cookie: cookieOf(answer), accept: 'text/html' } })
    expect(after.body).toContain('strict.example runs free.')
    expect(await machine(cookieOf(after))).not.toContain('runs free.')
  })

  test('keep their pace when the button stood elsewhere, nobody is logged in, or the name is no name', async () => {
    expect((await free('strict.example', { host: 'desk.example', origin: 'https://evil.example' })).statusCode).toBe(
      403,
    )
    expect((await free('strict.example', { host: 'desk.example' })).statusCode).toBe(403)
    const stranger = await desk.app.inject({
      method: 'POST',
      url: '/machine/paces/free',
      headers: { ...here, ...asForm },
      payload: 'domain=strict.example',
    })
    expect(stranger.statusCode).toBe(401)
    for (const name of ['', 'x'.repeat(256), 'strict.example\0']) expect((await free(name)).statusCode).toBe(400)
    expect(await paced()).toHaveLength(4)
  })

  test('that run free already are told so, and nothing else happens', async () => {
    const { statusCode, body } = await free('<b>none</b>.example')
    expect(statusCode).toBe(409)
    expect(body).toContain('Nothing was changed: &lt;b&gt;none&lt;/b&gt;.example runs free already.')
    expect(await paced()).toHaveLength(4)
  })

  test('are listed and let free at the terminal', async () => {
    const { out } = await run('pace list')
    expect(out).toMatch(/strict\.example +held, 2 times in a row +0 +2026-06-01 03:02:00 .*421 4\.7\.0/)
    expect(out).toMatch(/slow\.example +slow +0\.83 +– .*2400 ms/)
    expect((await run('pace list --json')).json()).toMatchObject([
      { domain: 'stricter.example', state: 'held, 2 times in a row', heldUntil: '2026-06-01T03:02:00.000Z' },
      { domain: 'strict.example' },
      { domain: 'recovering.example', state: 'recovering', heldUntil: null },
      { domain: 'slow.example', reason: 'slow' },
    ])
    expect((await run('pace free Strict.Example')).out).toContain('strict.example runs free')
    expect(await run('pace free strict.example')).toMatchObject({
      exit: 1,
      err: expect.stringContaining('runs free already'),
    })
    expect(await run('pace free ada@strict.example')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('is not a domain'),
    })
    expect(await paced()).toEqual(['recovering.example', 'slow.example', 'stricter.example'])
  })
})

test('where every domain runs free, page and terminal say so', async () => {
  expect(await machine()).toContain('Every receiving domain is sent to as fast as the mail host takes it.')
  expect((await run('pace list')).out).toContain('No receiving domain has a pace')
  expect((await run('pace list --json')).json()).toEqual([])
})
