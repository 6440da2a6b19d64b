import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { asForm, cookieOf, type Desk, deskPassword, here, openDesk } from '../rig/ops-desk.ts'
import { givenMailing, givenNewsroom } from '../rig/ops-given.ts'

let postgres: TestDatabase
let mailingId: string

beforeAll(async () => {
  postgres = await openTestDatabase()
  const newsroomId = await givenNewsroom(postgres.pool, 'lakselv', 'Lakselv kommune')
  mailingId = await givenMailing(postgres.pool, {
    newsroomId,
    title: 'Hemmelig tittel',
    state: 'sending',
    at: new Date(),
  })
}, 60_000)

afterAll(() => postgres?.close())

const post = (desk: Desk, url: string, headers: Record<string, string>, body: Record<string, string> = {}) =>
  desk.app.inject({
    method: 'POST',
    url,
    headers: { ...asForm, ...headers },
    payload: new URLSearchParams(body).toString(),
  })

const tryPassword = (desk: Desk, password: string, remoteAddress = '198.51.100.7') =>
  desk.app.inject({
    method: 'POST',
    url: '/login',
    remoteAddress,
    headers: { ...here, ...asForm, accept: 'text/html' },
    payload: new URLSearchParams({ password }).toString(),
  })

describe('whoever is not logged in', () => {
  const paths = () => [
    '/',
    '/machine',
    '/metrics',
    '/progress',
    `/mailings/${mailingId}`,
    `/mailings/${mailingId}/progress`,
    `/mailings/${mailingId}/cancel`,
    '/mailings/999999',
    '/live-figures.js',
    '/nowhere',
    '/queues',
    '/queues/',
    '/queues/api/queues',
    '/queues/api/redis/stats',
    '/queues/static/js/main.js',
    '/queues/static/css/main.css',
    '/queues/static/locales/en-US/messages.json',
    '/livez/..;/',
    '/livez/..;/mailings',
    '/livez/../machine',
    '/livez/%2e%2e/machine',
    '/livez;/machine',
    '//machine',
    '/ops.css/../machine',
    '/ops.css/..%2fmachine',
    '/LIVEZ',
    '/livez/',
  ]

  test('is turned away from every path, and learns nothing about what is there', async () => {
    const desk = await openDesk(postgres.pool)
    for (const url of paths()) {
      for (const accept of ['application/json', 'text/html']) {
        const answer = await desk.app.inject({ url, headers: { accept } })
        expect([url, answer.statusCode]).toEqual([url, 401])
        expect(answer.body).not.toContain('Hemmelig')
        expect(answer.headers['set-cookie']).toBeUndefined()
      }
    }
  })

  test('gets problem+json as a program and the login page as a person', async () => {
    const desk = await openDesk(postgres.pool)
    const program = await desk.app.inject({ url: `/mailings/${mailingId}/progress` })
    expect(program.headers['content-type']).toContain('application/problem+json')
    expect(program.json()).toMatchObject({ status: 401, type: 'urn:pressebud:refusal:login-needed' })
    const person = await desk.app.inject({ url: `/mailings/${mailingId}`, headers: { accept: 'text/html' } })
    expect(person.body).toContain('<h1>Log in</h1>')
  })

  test('cannot change anything, whatever the method', async () => {
    const desk = await openDesk(postgres.pool)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      for (const url of [`/mailings/${mailingId}/pause`, '/queues/api/queues/pause', '/nowhere', '/logout']) {
        const answer = await desk.app.inject({ method, url, headers: here })
        expect([method, url, answer.statusCode]).toEqual([method, url, 401])
      }
    }
    expect(desk.acted).toEqual([])
  })

  test('may ask whether the process lives, and read the style of the login page', async () => {
    const desk = await openDesk(postgres.pool)
    for (const url of ['/livez', '/ops.css', '/icon.svg', '/robots.txt'])
      expect([url, (await desk.app.inject({ url })).statusCode]).toEqual([url, 200])
  })
})

describe('the login', () => {
  test('lets the right password in, and back to the page that was asked for', async () => {
    const desk = await openDesk(postgres.pool)
    const answer = await post(desk, '/login', here, { password: deskPassword, next: `/mailings/${mailingId}` })
    expect(answer.statusCode).toBe(303)
    expect(answer.headers.location).toBe(`/mailings/${mailingId}`)
    const page = await desk.app.inject({ url: `/mailings/${mailingId}`, headers: { cookie: cookieOf(answer) } })
    expect(page.statusCode).toBe(200)
    expect(page.body).toContain('Hemmelig tittel')
  })

  test('never leads away from the desk', async () => {
    const desk = await openDesk(postgres.pool)
    for (const next of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      'https:evil',
      '/%0d%0aLocation:x',
      '/login',
      '/mailings/1/../../x',
    ]) {
      const answer = await post(desk, '/login', here, { password: deskPassword, next })
      expect([next, answer.headers.location]).toEqual([next, '/'])
    }
  })

  test('gives a cookie no script reads and no plain connection carries', async () => {
    const desk = await openDesk(postgres.pool, { secureCookies: true })
    const answer = await post(desk, '/login', here, { password: deskPassword })
    expect(answer.cookies).toEqual([
      expect.objectContaining({
        name: '__Host-pressebud-ops',
        httpOnly: true,
        secure: true,
        sameSite: 'Lax',
        path: '/',
        maxAge: 43_200,
      }),
    ])
    expect(answer.cookies[0]).not.toHaveProperty('domain')
  })

  test('says plainly that a password is wrong, and after five makes the address wait', async () => {
    const desk = await openDesk(postgres.pool)
    for (let count = 0; count < 5; count += 1) {
      const wrong = await tryPassword(desk, `guess ${count}`)
      expect(wrong.statusCode).toBe(401)
      expect(wrong.body).toContain('aria-describedby="fault"')
    }
    const refused = await tryPassword(desk, deskPassword)
    expect(refused.statusCode).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await tryPassword(desk, deskPassword, '203.0.113.9')).statusCode).toBe(303)
    desk.clock.now = new Date(desk.clock.now.getTime() + 16 * 60_000)
    expect((await tryPassword(desk, deskPassword)).statusCode).toBe(303)
  })

  test('counts tries made in the same instant one by one', async () => {
    const desk = await openDesk(postgres.pool)
    const answers = await Promise.all(Array.from({ length: 12 }, () => tryPassword(desk, 'guess')))
    expect(answers.filter(({ statusCode }) => statusCode === 401)).toHaveLength(5)
    expect(answers.filter(({ statusCode }) => statusCode === 429)).toHaveLength(7)
  })

  test('slows who guesses from where a scraper shows the right password in between', async () => {
    const desk = await openDesk(postgres.pool)
    const scrape = () =>
      desk.app.inject({
        url: '/metrics',
        remoteAddress: '198.51.100.7',
        headers: { authorization: `Basic ${Buffer.from(`prometheus:${deskPassword}`).toString('base64')}` },
      })
    const statuses: number[] = []
    for (let count = 0; count < 6; count += 1) {
      statuses.push((await tryPassword(desk, `guess ${count}`)).statusCode)
      if (count < 4) expect((await scrape()).statusCode).toBe(200)
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })

  test('counts none of a scraper’s own tries, however many and at once', async () => {
    const desk = await openDesk(postgres.pool)
    const authorization = `Basic ${Buffer.from(`prometheus:${deskPassword}`).toString('base64')}`
    const scrapes = (many: number) =>
      Promise.all(Array.from({ length: many }, () => desk.app.inject({ url: '/metrics', headers: { authorization } })))
    for (let round = 0; round < 3; round += 1)
      expect((await scrapes(5)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200])
  })

  test('counts one wrong password once, so that a scraper which still has the last one keeps nobody out', async () => {
    const desk = await openDesk(postgres.pool)
    const scrape = (password: string) => {
      const authorization = `Basic ${Buffer.from(`prometheus:${password}`).toString('base64')}`
      return desk.app.inject({ url: '/metrics', headers: { authorization } })
    }
    for (let hour = 0; hour < 3; hour += 1) {
      for (let count = 0; count < 10; count += 1) expect((await scrape('the last one')).statusCode).toBe(401)
      expect((await tryPassword(desk, deskPassword, '127.0.0.1')).statusCode).toBe(303)
      desk.clock.now = new Date(desk.clock.now.getTime() + 3_600_000)
    }
    for (let count = 0; count < 5; count += 1) await scrape(`guess ${count}`)
    expect((await scrape('one more')).statusCode).toBe(429)
    expect((await scrape(deskPassword)).statusCode).toBe(429)
  })

  test('counts one network of IPv6 as one address, and all addresses together', async () => {
    const desk = await openDesk(postgres.pool)
    for (let count = 0; count < 5; count += 1) await tryPassword(desk, `guess ${count}`, `2001:db8::${count + 1}`)
    expect((await tryPassword(desk, 'another guess', '2001:db8:0:0:ffff::1')).statusCode).toBe(429)
    expect((await tryPassword(desk, 'yet another', '2001:db8:0:1::1')).statusCode).toBe(401)
    const many = await Promise.all(
      Array.from({ length: 30 }, (_, host) => tryPassword(desk, `guess of ${host}`, `198.51.100.${host}`)),
    )
    expect(many.filter(({ statusCode }) => statusCode === 401)).toHaveLength(24)
  }, 30_000)
})

describe('a session', () => {
  const front = (desk: Desk, cookie: string) => desk.app.inject({ url: '/', headers: { cookie } })

  test('lapses after twelve hours without use, and use prolongs it', async () => {
    const desk = await openDesk(postgres.pool)
    const cookie = await desk.login()
    desk.clock.now = new Date(desk.clock.now.getTime() + 11 * 3_600_000)
    const used = await front(desk, cookie)
    expect(used.statusCode).toBe(200)
    desk.clock.now = new Date(desk.clock.now.getTime() + 2 * 3_600_000)
    expect((await front(desk, cookie)).statusCode).toBe(401)
    expect((await front(desk, cookieOf(used))).statusCode).toBe(200)
  })

  test('is not kept alive by a page that asks for figures by itself', async () => {
    const desk = await openDesk(postgres.pool)
    const cookie = await desk.login()
    desk.clock.now = new Date(desk.clock.now.getTime() + 6 * 3_600_000)
    const polled = await desk.app.inject({ url: `/mailings/${mailingId}/progress`, headers: { cookie } })
    expect(polled.statusCode).toBe(200)
    expect(polled.headers['set-cookie']).toBeUndefined()
  })

  test('ends with the logout, also for a copy of the cookie', async () => {
    const desk = await openDesk(postgres.pool)
    const cookie = await desk.login()
    expect((await post(desk, '/logout', { ...here, cookie })).statusCode).toBe(303)
    expect((await front(desk, cookie)).statusCode).toBe(401)
  })

  test('outlives a restart, but not a change of the password, and cannot be forged', async () => {
    const sessionKey = Buffer.alloc(32, 7)
    const cookie = await (await openDesk(postgres.pool, { sessionKey })).login()
    expect((await front(await openDesk(postgres.pool, { sessionKey }), cookie)).statusCode).toBe(200)
    expect(
      (await front(await openDesk(postgres.pool, { sessionKey, password: 'another one, longer' }), cookie)).statusCode,
    ).toBe(401)
    const forged = cookie.replace(/=(.)/, (_, first) => `=${first === 'A' ? 'B' : 'A'}`)
    expect((await front(await openDesk(postgres.pool, { sessionKey }), forged)).statusCode).toBe(401)
  })
})

describe('a button', () => {
  const pause = (desk: Desk, headers: Record<string, string>) => post(desk, `/mailings/${mailingId}/pause`, headers)

  test('works when it is pressed on the desk', async () => {
    const desk = await openDesk(postgres.pool)
    const cookie = await desk.login()
    for (const headers of [here, { host: here.host, 'sec-fetch-site': 'same-origin' }])
      expect((await pause(desk, { ...headers, cookie })).statusCode).toBe(303)
    expect(desk.acted).toEqual([`pause ${mailingId}`, `pause ${mailingId}`])
  })

  test('does nothing when another site presses it', async () => {
    const desk = await openDesk(postgres.pool)
    const cookie = await desk.login()
    for (const headers of [
      { host: here.host },
      { host: here.host, origin: 'https://evil.example' },
      { host: here.host, origin: 'null' },
      { host: here.host, origin: 'http://desk.example.evil.example' },
      { ...here, 'sec-fetch-site': 'cross-site' },
      { ...here, 'sec-fetch-site': 'same-site' },
      { ...here, 'sec-fetch-site': 'none' },
    ]) {
      const answer = await pause(desk, { ...(headers as Record<string, string>), cookie })
      expect([headers, answer.statusCode]).toEqual([headers, 403])
    }
    const board = await desk.app.inject({
      method: 'PUT',
      url: '/queues/api/queues/pause',
      headers: { host: here.host, origin: 'https://evil.example', cookie },
    })
    expect(board.statusCode).toBe(403)
    expect(
      (await post(desk, '/login', { host: here.host, origin: 'https://evil.example' }, { password: deskPassword }))
        .statusCode,
    ).toBe(403)
    expect(desk.acted).toEqual([])
  })
})

test('every answer forbids foreign content, framing and indexing', async () => {
  const desk = await openDesk(postgres.pool)
  const cookie = await desk.login()
  for (const url of ['/', '/nowhere', '/machine', '/queues']) {
    for (const headers of [{}, { cookie }]) {
      const answer = await desk.app.inject({ url, headers })
      const policy = String(answer.headers['content-security-policy'])
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toMatch(/script-src 'self'(;|$)/)
      if (url !== '/queues') expect(policy).not.toContain('unsafe')
      expect(answer.headers['x-robots-tag']).toContain('noindex')
      expect(answer.headers['x-content-type-options']).toBe('nosniff')
    }
  }
})
