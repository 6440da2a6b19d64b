import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  postForm,
  type ReaderHouse,
  readerHouse,
  rowsOf,
  subscriptionOf,
} from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  newsroom = await givenNewsroom(pool)
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const get = (url: string, headers = {}) => house.app.inject({ url, headers: { accept: 'text/html', ...headers } })
const consents = async (id: string) => {
  const { rows } = await pool.query<{ act: string; door: string; mailing_id: string | null }>(
    'select act, door, mailing_id from consent_log where subscription_id = $1 order by id',
    [id],
  )
  return rows
}
const unsubscribeToken = (id: string, mailing = 7n) =>
  sealToken(house.deps.links, 'unsubscribe', [BigInt(id), mailing, 0n])

/** As a mailbox provider posts it: no cookie, no origin, no language, no Accept. */
const oneClick = (
  token: string,
  headers: Record<string, string> = {},
  payload = 'List-Unsubscribe=One-Click',
  tail = '',
) =>
  house.app.inject({
    method: 'POST',
    url: `/unsubscribe/${token}${tail}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload,
  })
const parts = (name: string, value: string) =>
  `--pb\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--pb--\r\n`
const multipart = { 'content-type': 'multipart/form-data; boundary=pb' }

describe('the link in a confirmation', () => {
  test('opened a hundred times by scanners it changes nothing; the button makes the reader follow, once', async () => {
    await follow(house, newsroom, 'kari@example.org')
    const url = `/confirm/${await confirmToken(house, newsroom, 'kari@example.org')}`
    const before = await rowsOf(pool)
    for (let time = 0; time < 50; time++) {
      const page = await get(url)
      expect(page.statusCode).toBe(200)
      expect(page.headers).toMatchObject({
        ...{ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex, nofollow' },
      })
      expect(page.body).not.toContain('<script')
      expect((await house.app.inject({ method: 'HEAD', url })).statusCode).toBe(200)
    }
    expect(await rowsOf(pool)).toBe(before)

    const first = await postForm(house, url, { answer: 'yes' })
    expect(first.body).toContain('Du følger Havneby kommune')
    const held = await subscriptionOf(pool, newsroom, 'kari@example.org')
    expect(held.state).toBe('active')
    const again = await postForm(house, url, { answer: 'yes' })
    expect([again.statusCode, again.body]).toEqual([200, first.body])
    expect((await consents(held.id)).map((entry) => entry.act)).toEqual(['requested', 'confirmed'])
    // Whoever opens the link again is told the same, without the way to the preferences.
    expect(first.body).toMatch(/href="\/preferences\/[\w-]{64}\?language=nb"/)
    const opened = await get(url)
    expect(opened.body).toContain('Du følger Havneby kommune')
    expect(opened.body).not.toContain('/preferences/')
  })

  test('after three days it is too old, and one press sends a new one to the same mailbox', async () => {
    await follow(house, newsroom, 'late@example.org')
    const token = await confirmToken(house, newsroom, 'late@example.org')
    house.clock.now = new Date(Date.now() + 72 * 3_600_000 + 2_000)
    for (const answer of [await get(`/confirm/${token}`), await postForm(house, `/confirm/${token}`, {})]) {
      expect(answer.statusCode).toBe(410)
      expect(answer.body).toContain('<button type="submit">Send en ny lenke</button>')
      expect(answer.body).not.toContain('late@')
    }
    const program = await house.app.inject({ method: 'POST', url: `/confirm/${token}` })
    expect([program.statusCode, program.headers['content-type']]).toEqual([
      410,
      'application/problem+json; charset=utf-8',
    ])
    house.woken.length = 0
    const answers = []
    for (let press = 0; press < 3; press++)
      answers.push(await postForm(house, `/confirm/${token}`, { answer: 'renew' }))
    for (const answer of answers) {
      expect(answer.statusCode).toBe(200)
      expect(answer.body).toContain('Vi har sendt en ny lenke')
      expect(answer.body).not.toContain('late@')
    }
    expect(house.woken).toHaveLength(1)
    const { id, state } = await subscriptionOf(pool, newsroom, 'late@example.org')
    expect(state).toBe('pending')
    // What is promised to work for three days does not lapse after a week from the first request.
    const { rows } = await pool.query('select requested_at from subscriptions where id = $1', [id])
    expect(rows).toEqual([{ requested_at: house.clock.now }])
    const fresh = await confirmToken(house, newsroom, 'late@example.org')
    expect((await postForm(house, `/confirm/${fresh}`, {})).statusCode).toBe(200)
    house.clock.now = new Date()
    expect((await subscriptionOf(pool, newsroom, 'late@example.org')).state).toBe('active')
  })

  test('it cannot bring back a reader who has left since', async () => {
    await follow(house, newsroom, 'gone@example.org')
    const token = await confirmToken(house, newsroom, 'gone@example.org')
    await postForm(house, `/confirm/${token}`, {})
    const { id } = await subscriptionOf(pool, newsroom, 'gone@example.org')
    await oneClick(unsubscribeToken(id))
    await follow(house, newsroom, 'gone@example.org')
    const answer = await postForm(house, `/confirm/${token}`, {})
    expect(answer.statusCode).toBe(410)
    expect((await subscriptionOf(pool, newsroom, 'gone@example.org')).state).toBe('pending')
  })
})

describe('the link for unsubscribing', () => {
  test('opened a hundred times by scanners it changes nothing, and is kept from caches and search engines', async () => {
    const { id } = await givenFollower(house, newsroom, 'scanned@example.org')
    const url = `/unsubscribe/${unsubscribeToken(id)}`
    const before = await rowsOf(pool)
    for (let time = 0; time < 50; time++)
      for (const method of ['GET', 'HEAD', 'OPTIONS'] as const) {
        const answer = await house.app.inject({ method, url })
        expect(answer.statusCode).toBe(method === 'OPTIONS' ? 204 : 200)
        expect(answer.headers).toMatchObject({
          ...{ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex, nofollow' },
        })
      }
    expect(await rowsOf(pool)).toBe(before)
  })

  test.each([
    ['urlencoded', {}, 'List-Unsubscribe=One-Click', ''],
    ['multipart', multipart, parts('List-Unsubscribe', 'One-Click'), ''],
    ['with a slash after it', {}, 'List-Unsubscribe=One-Click', '/'],
    [
      'with what a link tracker added',
      multipart,
      parts('List-Unsubscribe', 'One-Click'),
      '?utm_source=mail&language=xx',
    ],
  ])('one click ends the subscription: %s', async (what, headers, payload, tail) => {
    const { id } = await givenFollower(house, newsroom, `${what.replaceAll(' ', '-')}@example.org`)
    house.optedOut.length = 0
    const first = await oneClick(unsubscribeToken(id), headers, payload, tail)
    expect([first.statusCode, first.json()]).toEqual([200, { state: 'ended' }])
    expect(first.headers['set-cookie']).toBeUndefined()
    const again = await oneClick(unsubscribeToken(id), headers, payload, tail)
    expect(again.statusCode).toBe(200)
    const { rows } = await pool.query('select state, ended_reason from subscriptions where id = $1', [id])
    expect(rows).toEqual([{ state: 'ended', ended_reason: 'unsubscribed' }])
    expect((await consents(id)).filter((entry) => entry.act === 'ended')).toEqual([
      { act: 'ended', door: 'one-click', mailing_id: '7' },
    ])
    expect(house.optedOut).toEqual([id, id])
  })

  test('the opt-out is committed before workers are asked, and they are asked before the answer', async () => {
    const seen: string[] = []
    const other = await readerHouse(pool, {
      afterOptOut: async (id) => {
        const { rows } = await pool.query('select state from subscriptions where id = $1', [id])
        seen.push(rows[0].state)
      },
    })
    const { id } = await givenFollower(house, newsroom, 'order@example.org')
    const request = { method: 'POST' as const, url: `/unsubscribe/${unsubscribeToken(id)}` }
    await other.app.inject({
      ...{ ...request, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      payload: 'List-Unsubscribe=One-Click',
    })
    expect(seen).toEqual(['ended'])
    await other.app.close()
  })

  test('the button of the page does the same, and the page then says so', async () => {
    const { id } = await givenFollower(house, newsroom, 'button@example.org')
    const url = `/unsubscribe/${unsubscribeToken(id, 0n)}`
    const page = await get(url)
    expect(page.body).toContain('<input type="hidden" name="List-Unsubscribe" value="One-Click">')
    const done = await postForm(house, url, { 'List-Unsubscribe': 'One-Click' })
    expect(done.body).toContain('Du er meldt av')
    expect(done.body).not.toContain('<form')
    expect(await consents(id)).toContainEqual({ act: 'ended', door: 'unsubscribe-page', mailing_id: null })
  })

  test('it works two years later, under a key rotated twice, and when the reader has been forgotten', async () => {
    const { id } = await givenFollower(house, newsroom, 'old@example.org')
    const token = unsubscribeToken(id)
    house.clock.now = new Date(Date.now() + 2 * 365 * 86_400_000)
    expect((await oneClick(token)).statusCode).toBe(200)
    house.clock.now = new Date()
    const { linkKeys } = await import('../../shared/links/token.ts')
    const { testSecrets } = await import('../given/secrets.ts')
    const rotated = await readerHouse(pool, { links: linkKeys(['c'.repeat(32), 'b'.repeat(32), ...testSecrets]) })
    expect((await rotated.app.inject(`/unsubscribe/${token}`)).statusCode).toBe(200)
    await rotated.app.close()
    const nobody = unsubscribeToken('999999')
    expect((await oneClick(nobody)).statusCode).toBe(200)
    expect((await get(`/unsubscribe/${nobody}`, { 'accept-language': 'fi' })).body).toContain('Tilaus on peruutettu')
  })

  test.each([
    ['nothing', {}, ''],
    ['another value', {}, 'List-Unsubscribe=one-click'],
    ['another field', {}, 'unsubscribe=One-Click'],
    ['the field twice', {}, 'List-Unsubscribe=One-Click&List-Unsubscribe=One-Click'],
    ['another part', multipart, parts('List-Unsubscribe', 'Yes')],
    ['JSON', { 'content-type': 'application/json' }, '{"List-Unsubscribe":"One-Click"}'],
  ])('a body with %s changes nothing and is a 400 problem', async (_what, headers, payload) => {
    const { id } = await givenFollower(house, newsroom, 'wrongbody@example.org')
    const before = await rowsOf(pool)
    const answer = await oneClick(unsubscribeToken(id), headers, payload)
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ])
    expect(await rowsOf(pool)).toBe(before)
  })

  test('a token changed in any bit, cut short or made for another door opens nothing', async () => {
    const { id } = await givenFollower(house, newsroom, 'forged@example.org')
    const token = unsubscribeToken(id)
    const bytes = Buffer.from(token, 'base64url')
    const forged = Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const copy = Buffer.from(bytes)
      copy[bit >> 3]! ^= 1 << (bit & 7)
      return copy.toString('base64url')
    })
    forged.push(token.slice(0, -1), `${token}A`, token.toUpperCase(), 'x')
    forged.push(await confirmToken(house, newsroom, 'forged@example.org'))
    const before = await rowsOf(pool)
    const answers = await Promise.all(forged.map((one) => oneClick(one)))
    expect(new Set(answers.map((answer) => answer.statusCode))).toEqual(new Set([404]))
    // What was forged and what never was are told the same, but for the name of the request.
    const told = answers.map((answer) => JSON.stringify({ ...answer.json(), instance: '' }))
    expect(new Set(told).size).toBe(1)
    expect(await rowsOf(pool)).toBe(before)
    expect((await postForm(house, `/confirm/${token}`, {})).statusCode).toBe(404)
    expect((await postForm(house, `/not-me/${token}`, {})).statusCode).toBe(404)
    expect((await get('/unsubscribe/x')).body).toContain('<h1>This link does not work')
  })
})
