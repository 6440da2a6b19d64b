import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Log } from '../../shared/log/log.ts'
import { setPaused } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { asForm, type Desk, here, openDesk } from '../rig/ops-desk.ts'
import { givenAttempt, givenChunk, givenDelivery, givenMailing, givenNewsroom, givenReader } from '../rig/ops-given.ts'

let postgres: TestDatabase
let desk: Desk
let cookie: string
let lakselv: string
let tromso: string

beforeAll(async () => {
  postgres = await openTestDatabase()
  desk = await openDesk(postgres.pool)
  cookie = await desk.login()
}, 60_000)

beforeEach(async () => {
  await emptyTables(postgres.pool)
  desk.acted.length = 0
  desk.refuse = false
  lakselv = await givenNewsroom(postgres.pool, 'lakselv', 'Lakselv kommune')
  tromso = await givenNewsroom(postgres.pool, 'tromso', 'Tromsø havn')
})

afterAll(() => postgres?.close())

const get = (url: string, accept = 'text/html') => desk.app.inject({ url, headers: { cookie, accept } })
const press = (url: string) =>
  desk.app.inject({ method: 'POST', url, headers: { ...here, ...asForm, cookie, accept: 'text/html' } })
const ago = (seconds: number) => new Date(desk.clock.now.getTime() - seconds * 1000)
const words = (html: string) =>
  html
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .replaceAll('&#39;', "'")
const titlesOf = (html: string) =>
  [...html.matchAll(/<a href="\/mailings\/\d+"><bdi>([^<]*)/g)].map((match) => match[1])

describe('the list of mailings', () => {
  test('says what to do when there is nothing', async () => {
    expect(words((await get('/')).body)).toContain('Nothing has been published yet')
    await postgres.pool.query('truncate newsrooms cascade')
    expect(words((await get('/')).body)).toContain('There is no newsroom yet')
  })

  test('shows the mailings of every newsroom, newest first, and can be narrowed to one or to a state', async () => {
    const { pool } = postgres
    await givenMailing(pool, { newsroomId: lakselv, title: 'Eldst', state: 'done', at: ago(900), doneAt: ago(800) })
    await givenMailing(pool, { newsroomId: tromso, title: 'Midt', state: 'sending', at: ago(600) })
    await givenMailing(pool, { newsroomId: lakselv, title: 'Pauset', state: 'sending', paused: true, at: ago(500) })
    await givenMailing(pool, { newsroomId: lakselv, title: 'Nyest', state: 'embargoed', at: ago(-300) })
    expect(titlesOf((await get('/')).body)).toEqual(['Nyest', 'Pauset', 'Midt', 'Eldst'])
    expect(titlesOf((await get('/?newsroom=lakselv')).body)).toEqual(['Nyest', 'Pauset', 'Eldst'])
    expect(titlesOf((await get('/?state=sending')).body)).toEqual(['Pauset', 'Midt'])
    expect(titlesOf((await get('/?state=paused')).body)).toEqual(['Pauset'])
    expect(titlesOf((await get('/?state=live&newsroom=lakselv')).body)).toEqual(['Nyest', 'Pauset'])
    expect(words((await get('/?newsroom=nobody')).body)).toContain('No mailing fits')
  })

  test('turns its pages by a cursor that keeps its place while mailings are added', async () => {
    const { pool } = postgres
    for (let count = 1; count <= 30; count += 1)
      await givenMailing(pool, {
        newsroomId: lakselv,
        title: `Sak ${count}`,
        state: 'done',
        at: ago(60),
        doneAt: ago(30),
      })
    const first = (await get('/?newsroom=lakselv')).body
    expect(titlesOf(first)).toHaveLength(25)
    const older = /href="(\/\?[^"]*before=[^"]*)"/.exec(first)?.[1]?.replaceAll('&amp;', '&')
    await givenMailing(pool, { newsroomId: lakselv, title: 'Ny sak', state: 'done', at: ago(1), doneAt: ago(1) })
    expect(titlesOf((await get(older ?? '')).body)).toEqual(['Sak 5', 'Sak 4', 'Sak 3', 'Sak 2', 'Sak 1'])
  })

  test('survives whatever is written into its address', async () => {
    for (const query of [
      'before=x',
      'before=99999999999999999999',
      'before=-1',
      'newsroom=%00',
      'state=%00&newsroom[]=1',
      'newsroom=a&newsroom=b',
      "state=';drop table mailings",
    ])
      expect([query, (await get(`/?${query}`)).statusCode]).toEqual([query, 200])
  })

  test('sums its figures from chunks', async () => {
    const id = await givenMailing(postgres.pool, { newsroomId: lakselv, title: 'Sum', state: 'sending', at: ago(60) })
    await givenChunk(postgres.pool, {
      mailingId: id,
      n: 0,
      size: 500,
      state: 'done',
      nextAt: ago(50),
      sent: 480,
      bounced: 7,
      failed: 2,
      optedOut: 9,
    })
    await givenChunk(postgres.pool, {
      mailingId: id,
      n: 1,
      size: 500,
      state: 'open',
      nextAt: ago(50),
      sent: 100,
      deferred: 12,
      inDoubt: 1,
    })
    const page = words((await get('/')).body)
    // The done chunk had 498 letters owed; two of the 500 readers left before theirs was written down.
    expect(page).toContain('599 of 998 readers (60 %)')
    expect(page).toContain('Sent 580 Deferred 12 Refused 9 Opted out 9 In doubt 1')
  })

  test('warns at the top when due work waits and nobody takes it', async () => {
    const id = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Venter',
      state: 'sending',
      at: ago(600),
    })
    await givenChunk(postgres.pool, { mailingId: id, n: 0, size: 10, state: 'cut', nextAt: ago(300) })
    expect(words((await get('/')).body)).toContain('Oldest due chunk: has waited 5 min')
    await postgres.pool.query('update mailings set paused = true')
    expect(words((await get('/')).body)).not.toContain('Oldest due chunk')
  })

  test('does not warn of chunks that wait behind others of a large mailing, but half a minute after the last was worked', async () => {
    const { pool } = postgres
    const id = await givenMailing(pool, { newsroomId: lakselv, title: 'Stor', state: 'sending', at: ago(600) })
    const warned = async () => words((await get('/')).body).includes('Oldest due chunk')
    await givenChunk(pool, { mailingId: id, n: 0, size: 10, state: 'cut', nextAt: ago(300) })
    await givenChunk(pool, { mailingId: id, n: 1, size: 10, state: 'open', nextAt: ago(300), leaseUntil: ago(-6) })
    expect(await warned()).toBe(false)
    expect(words((await get('/machine')).body)).toContain('has waited 5 min, while others are worked')

    // Let go of a moment ago, whole or in the middle: between two leases nobody holds anything.
    for (const [state, deferred] of [
      ['done', 3],
      ['open', 0],
    ] as const) {
      const letGo = async (seconds: number) =>
        pool.query(
          'update chunks set lease_until = null, fence = 1, state = $1, deferred = $2, next_at = $3 where n = 1',
          [state, deferred, ago(seconds)],
        )
      await letGo(10)
      expect(await warned()).toBe(false)
      await letGo(40)
      expect(await warned()).toBe(true)
    }
    expect(words((await get('/machine')).body)).toContain('and for 40 s nobody works')

    // A deferred letter whose hour came a moment ago is no sign of work; nor is a lease that ran out.
    await pool.query('update chunks set deferred = 3, next_at = $1 where n = 1', [ago(1)])
    expect(await warned()).toBe(true)
    await pool.query('update chunks set lease_until = $1 where n = 1', [ago(35)])
    expect(await warned()).toBe(true)
    await pool.query('update chunks set next_at = $1 where n = 0', [ago(20)])
    expect(await warned()).toBe(false)
  })
})

describe('the page of a mailing', () => {
  test('tells trouble without telling addresses, also where the mail host repeats them', async () => {
    const { pool } = postgres
    const id = await givenMailing(pool, { newsroomId: lakselv, title: 'Trøbbel', state: 'sending', at: ago(60) })
    const ola = await givenReader(pool, lakselv, 'ola.nordmann@example.com')
    const x = await givenReader(pool, lakselv, 'x@example.org')
    await givenChunk(pool, {
      mailingId: id,
      n: 0,
      from: 0n,
      size: 2,
      state: 'open',
      nextAt: ago(5),
      bounced: 1,
      inDoubt: 1,
    })
    await givenAttempt(pool, {
      mailingId: id,
      subscriptionId: ola,
      verdict: 'bounced',
      at: ago(5),
      detail: '<Ola.Nordmann@example.com>: User unknown',
      phase: 'rcpt',
      code: 550,
      enhanced: '5.1.1',
    })
    await givenAttempt(pool, {
      mailingId: id,
      subscriptionId: x,
      verdict: 'in_doubt',
      at: ago(6),
      detail: 'connection lost',
      phase: 'dot',
    })
    await givenDelivery(pool, { mailingId: id, subscriptionId: ola, state: 'bounced', at: ago(5) })
    await givenDelivery(pool, { mailingId: id, subscriptionId: x, state: 'in_doubt', at: ago(6) })
    const { body } = await get(`/mailings/${id}`)
    expect(body).not.toMatch(/ola\.nordmann/i)
    expect(body).not.toContain('x@example.org')
    expect(words(body)).toContain(
      'o…n@example.com Bounced: refused for good attempt 1, at the recipient (RCPT TO) 550 5.1.1',
    )
    expect(words(body)).toContain('&lt;O…n@example.com&gt;: User unknown')
    const doubts = words(body.slice(body.indexOf('id="doubts"'), body.indexOf('id="attempts"')))
    expect(doubts).toContain('…@example.org 1 connection lost')
    expect(doubts).not.toContain('o…n@')
  })

  test('lists the chunks not done first, and not more than two hundred', async () => {
    const { pool } = postgres
    const id = await givenMailing(pool, { newsroomId: lakselv, title: 'Mange', state: 'sending', at: ago(60) })
    for (let n = 0; n < 210; n += 1)
      await givenChunk(pool, {
        mailingId: id,
        n,
        size: 5,
        state: n === 209 ? 'open' : 'done',
        nextAt: ago(50),
        sent: n === 209 ? 0 : 5,
      })
    const { body } = await get(`/mailings/${id}`)
    const numbers = [...body.matchAll(/<th [^>]*scope="row" class="number">(\d+)/g)].map((match) => Number(match[1]))
    expect(numbers).toHaveLength(200)
    expect(numbers[0]).toBe(209)
    expect(words(body)).toContain('209 of 210 chunks are done')
  })

  test('says what a mailing without readers, without start or with a foreign number is', async () => {
    const embargoed = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Sperret',
      state: 'embargoed',
      at: ago(-3600),
    })
    expect(words((await get(`/mailings/${embargoed}`)).body)).toContain('Waits for its hour; no chunk is cut yet')
    const empty = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      kind: 'digest',
      state: 'done',
      at: ago(60),
      doneAt: ago(50),
    })
    expect(words((await get(`/mailings/${empty}`)).body)).toContain('Nobody was following: no letter was owed')
    for (const id of ['4711', '0', '-1', '1.5', 'abc', '99999999999999999999', '%00', '1%20or%201=1'])
      expect([id, (await get(`/mailings/${id}`)).statusCode]).toEqual([id, 404])
    expect((await get('/mailings/4711/progress', 'application/json')).json()).toMatchObject({
      type: 'urn:pressebud:refusal:mailing-unknown',
    })
  })

  test('feeds its own renewal with the figures it shows', async () => {
    const id = await givenMailing(postgres.pool, { newsroomId: lakselv, title: 'Fôr', state: 'sending', at: ago(60) })
    await givenChunk(postgres.pool, { mailingId: id, n: 0, size: 2_000, state: 'open', nextAt: ago(50), sent: 1_234 })
    const answer = await get(`/mailings/${id}/progress`, 'application/json')
    expect(answer.json().mailings[0]).toMatchObject({
      id,
      state: 'sending',
      settled: 1_234,
      bar: { value: 1_234, most: 2_000 },
      texts: { sent: '1,234', pace: '1,234 letters a minute since the start, 1\u00a0min ago' },
    })
    const both = await get(`/progress?id=${id}&id=999&id=x`, 'application/json')
    expect(both.json().mailings.map((mailing: { id: string }) => mailing.id)).toEqual([id])
  })
})

describe('the buttons of a mailing', () => {
  test('pause and resume it, and say so once', async () => {
    const id = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Knapper',
      state: 'sending',
      at: ago(60),
    })
    const paused = await press(`/mailings/${id}/pause`)
    expect([paused.statusCode, paused.headers.location]).toEqual([303, `/mailings/${id}`])
    const session = paused.cookies[0]!
    const page = await desk.app.inject({
      url: `/mailings/${id}`,
      headers: { cookie: `${session.name}=${encodeURIComponent(session.value)}`, accept: 'text/html' },
    })
    expect(words(page.body)).toContain('Paused. Letters already under way end')
    expect(page.cookies).toHaveLength(1)
    expect(words((await get(`/mailings/${id}`)).body)).not.toContain('Letters already under way end')
    await press(`/mailings/${id}/resume`)
    expect(desk.acted).toEqual([`pause ${id}`, `resume ${id}`])
  })

  test('are in the log with whose session pressed them, and from where', async () => {
    const told: Record<string, unknown>[] = []
    const log = pino({ level: 'info' }, { write: (line) => void told.push(JSON.parse(line)) }) as unknown as Log
    const logged = await openDesk(postgres.pool, { log })
    const id = await givenMailing(postgres.pool, { newsroomId: lakselv, title: 'Kai', state: 'sending', at: ago(60) })
    for (const _session of [1, 2]) {
      const headers = { ...here, ...asForm, cookie: await logged.login() }
      for (const name of ['pause', 'resume'])
        await logged.app.inject({ method: 'POST', url: `/mailings/${id}/${name}`, headers })
    }
    const acts = told.filter(({ msg }) => msg === 'operator acted on a mailing')
    expect(acts.map(({ act, from }) => [act, from])).toEqual(
      Array(2)
        .fill([
          ['pause', '127.0.0.1'],
          ['resume', '127.0.0.1'],
        ])
        .flat(),
    )
    const sessions = acts.map(({ operator }) => operator)
    expect(sessions[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect([sessions[1] === sessions[0], sessions[3] === sessions[2], new Set(sessions).size]).toEqual([true, true, 2])
    await logged.app.close()
  })

  test('say what is true where pausing or resuming changes nothing', async () => {
    const pausing = (paused: boolean) => (id: string) => setPaused(postgres.pool, id as MailingId, paused)
    const never = async () => false
    const settle = async () => 'over' as const
    const actions = { pause: pausing(true), resume: pausing(false), cancel: never, tryAgain: never, settle }
    const own = await openDesk(postgres.pool, { actions })
    const cookie = await own.login()
    const press = (id: string, act: string) =>
      own.app.inject({
        method: 'POST',
        url: `/mailings/${id}/${act}`,
        headers: { ...here, ...asForm, cookie, accept: 'text/html' },
      })
    const told = async (state: string, paused: boolean, act: 'pause' | 'resume') => {
      const id = await givenMailing(postgres.pool, { newsroomId: lakselv, title: 'Står', state, paused, at: ago(60) })
      const answer = await press(id, act)
      const { rows } = await postgres.pool.query('select paused from mailings where id = $1', [id])
      expect([state, act, answer.statusCode, rows[0].paused]).toEqual([state, act, 409, paused])
      return /Nothing was changed: [^.]*\./.exec(words(answer.body))?.[0]
    }
    expect(await told('sending', true, 'pause')).toBe('Nothing was changed: this mailing is paused already.')
    expect(await told('cutting', false, 'resume')).toBe('Nothing was changed: this mailing is not paused.')
    expect(await told('done', false, 'resume')).toBe('Nothing was changed: this mailing is over.')
    expect(await told('failed', false, 'resume')).toBe('Nothing was changed: this mailing is not paused.')

    // One that was given up may be paused, for the digests; nothing of it goes on by being resumed.
    const failed = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Opp',
      state: 'failed',
      at: ago(60),
    })
    const pageAfter = async (act: string) => {
      const [{ name, value }] = (await press(failed, act)).cookies as [{ name: string; value: string }]
      const headers = { cookie: `${name}=${encodeURIComponent(value)}`, accept: 'text/html' }
      return words((await own.app.inject({ url: `/mailings/${failed}`, headers })).body)
    }
    const paused = await pageAfter('pause')
    expect(paused).toContain('Paused. It was given up, so nothing of it leaves anyhow')
    expect(paused).toContain('It is paused, too.')
    expect(await pageAfter('resume')).toContain('It was given up: nothing of it leaves until you press Try again.')
    await own.app.close()
  })

  test('ask once more before cancelling, and following the link cancels nothing', async () => {
    const id = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Avlyses',
      state: 'sending',
      at: ago(60),
    })
    const asked = await get(`/mailings/${id}/cancel`)
    expect(words(asked.body)).toContain('This cannot be undone.')
    for (const act of ['pause', 'resume']) expect((await get(`/mailings/${id}/${act}`)).statusCode).toBe(404)
    expect(desk.acted).toEqual([])
    expect((await press(`/mailings/${id}/cancel`)).statusCode).toBe(303)
    expect(desk.acted).toEqual([`cancel ${id}`])
  })

  test('are gone when the mailing is over, and an act come too late says that it changed nothing', async () => {
    const id = await givenMailing(postgres.pool, {
      newsroomId: lakselv,
      title: 'Over',
      state: 'done',
      at: ago(60),
      doneAt: ago(1),
    })
    expect((await get(`/mailings/${id}`)).body).not.toContain(`action="/mailings/${id}/`)
    expect((await get(`/mailings/${id}/cancel`)).headers.location).toBe(`/mailings/${id}`)
    desk.refuse = true
    const late = await press(`/mailings/${id}/pause`)
    expect(late.statusCode).toBe(409)
    expect(words(late.body)).toContain('Nothing was changed')
    expect((await press('/mailings/4711/pause')).statusCode).toBe(404)
  })
})

test('with the database away the desk says so, and that nothing is lost', async () => {
  const { openPool } = await import('../../shared/postgres/pool.ts')
  const pool = openPool({ url: 'postgres://postgres@127.0.0.1:1/none', name: 'away', most: 1, onError: () => {} })
  const away = await openDesk(pool)
  const answer = await away.app.inject({ url: '/', headers: { cookie: await away.login(), accept: 'text/html' } })
  expect(answer.statusCode).toBe(503)
  expect(words(answer.body)).toContain('The database does not answer')
  expect((await away.app.inject({ url: '/livez' })).statusCode).toBe(200)
  await pool.end()
})
