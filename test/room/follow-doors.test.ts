import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  postForm,
  type ReaderHouse,
  readerHouse,
  rowsOf,
  shownAWhileAgo,
  subscriptionOf,
} from '../rig/reader-house.ts'
import { watchStatements } from '../rig/watch-statements.ts'

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

let database: TestDatabase
let pool: Pool
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
})
afterAll(() => database.close())
beforeEach(async () => {
  // Each test begins with whole budgets.
  await pool.query('delete from budgets')
  newsroom = await givenNewsroom(pool, {
    topics: [
      { id: 'climate', names: { nb: 'Klima', en: 'Climate' } },
      { id: 'harbour', names: { nb: 'Havn', en: 'Harbour' } },
    ],
    allowedOrigins: ['https://www.havneby.example'],
  })
})

const lettersOwed = async (to: string) => {
  const { rows } = await pool.query<{ owed: number }>(
    `select count(*)::int as owed from notices n join subscriptions s on s.id = n.subscription_id
       join subscribers r on r.id = s.subscriber_id where s.newsroom_id = $1 and r.address_key like $2`,
    [newsroom.id, to],
  )
  return rows[0]!.owed
}
const json = (house: ReaderHouse, body: object, headers: Record<string, string> = {}) =>
  house.app.inject({
    method: 'POST',
    url: `/newsrooms/${newsroom.slug}/subscriptions`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: body,
  })
describe('a form that comes too soon, too late or from somewhere else', () => {
  test.each([
    ['at once', 0, 0],
    ['after a day and a half', 36 * 3_600, 0],
    ['with a time of its own making', 20, 1],
    ['without a time', null, 0],
  ])('%s is asked for once more with all that was written, and one press is enough', async (_when, age, flip) => {
    const house = await readerHouse(pool)
    const page = await house.app.inject({
      url: `/newsrooms/${newsroom.slug}?language=en`,
      headers: { 'accept-encoding': 'gzip' },
    })
    expect([page.statusCode, page.rawPayload.includes('shown-first-')]).toEqual([200, false])
    const shown = /name="shown" value="([\w-]{64})"/.exec(
      (await house.app.inject(`/newsrooms/${newsroom.slug}`)).body,
    )![1]!
    house.clock.now = new Date(house.clock.now.getTime() + (age ?? 0) * 1_000)
    const before = await rowsOf(pool)
    const forged = flip ? shown.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) : shown
    const first = await follow(house, newsroom, 'quick@example.org', {
      topics: 'climate',
      shown: age === null ? '' : forged,
    })
    expect(first.statusCode).toBe(428)
    expect(first.body).toContain('Trykk på knappen én gang til')
    expect(first.body).toMatch(/value="quick@example.org"/)
    expect(await rowsOf(pool)).toBe(before)
    const again = /name="shown" value="([\w-]{64})"/.exec(first.body)![1]!
    expect((await follow(house, newsroom, 'quick@example.org', { topics: 'climate', shown: again })).statusCode).toBe(
      200,
    )
    expect(await lettersOwed('quick@%')).toBe(1)
    await house.app.close()
  })

  test('a page’s name for itself does not change from one second to the next, so that a browser may keep it', async () => {
    const house = await readerHouse(pool)
    const first = await house.app.inject(`/newsrooms/${newsroom.slug}`)
    house.clock.now = new Date(house.clock.now.getTime() + 5_000)
    const second = await house.app.inject({
      url: `/newsrooms/${newsroom.slug}`,
      headers: { 'if-none-match': String(first.headers.etag) },
    })
    expect(second.statusCode).toBe(304)
    await house.app.close()
  })

  test('cross-origin: a listed page’s form is taken, another’s changes nothing though it has our seal', async () => {
    const house = await readerHouse(pool)
    const listed = await follow(
      house,
      newsroom,
      'listed@example.org',
      { shown: '' },
      { origin: 'https://www.havneby.example' },
    )
    expect([listed.statusCode, await lettersOwed('listed@%')]).toEqual([200, 1])
    const { rows } = await pool.query('select form_url from consent_log order by id desc limit 1')
    expect(rows[0].form_url).toBe('https://www.havneby.example')
    const before = await rowsOf(pool)
    for (const origin of [
      'https://evil.example',
      'https://www.havneby.example.evil.example',
      'http://www.havneby.example',
    ]) {
      const foreign = await follow(house, newsroom, 'foreign@example.org', {}, { origin })
      expect([origin, foreign.statusCode]).toEqual([origin, 428])
    }
    expect(await rowsOf(pool)).toBe(before)
    expect((await follow(house, newsroom, 'private@example.org', {}, { origin: 'null' })).statusCode).toBe(200)
    expect((await follow(house, newsroom, 'own@example.org', {}, { origin: 'https://press.example' })).statusCode).toBe(
      200,
    )
    await house.app.close()
  })
})

describe('scripts of other origins', () => {
  test('a listed one is let in by name, without credentials, also to read refusals; others are told nothing', async () => {
    const house = await readerHouse(pool)
    const url = `/newsrooms/${newsroom.slug}/subscriptions`
    const preflight = (origin: string) =>
      house.app.inject({
        ...{ method: 'OPTIONS' as const, url },
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      })
    const listed = await preflight('https://www.havneby.example')
    expect(listed.statusCode).toBe(204)
    expect(listed.headers).toMatchObject({
      'access-control-allow-origin': 'https://www.havneby.example',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'content-type',
      vary: 'Origin',
    })
    expect(listed.headers['access-control-allow-credentials']).toBeUndefined()
    for (const origin of ['https://evil.example', 'null']) {
      const other = await preflight(origin)
      expect([other.statusCode, other.headers['access-control-allow-origin'], other.headers.vary]).toEqual([
        204,
        undefined,
        'Origin',
      ])
    }
    for (const [body, status] of [
      ['{"email":"a@example.org"}', 202],
      ['{"email":"a"}', 422],
      ['{', 400],
      ['"', 400],
    ] as const) {
      const answer = await json(house, body as unknown as object, { origin: 'https://www.havneby.example' })
      expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([
        status,
        'https://www.havneby.example',
      ])
    }
    const box = await house.app.inject({
      url: `/newsrooms/${newsroom.slug}/follow-box?language=en`,
      headers: { origin: 'https://www.havneby.example' },
    })
    expect([box.statusCode, box.headers['access-control-allow-origin']]).toEqual([200, 'https://www.havneby.example'])
    await house.app.close()
  })
})

describe('enumeration', () => {
  const states = ['new', 'pending', 'active', 'ended', 'complained', 'erased', 'bounced'] as const

  const givenEach = async (house: ReaderHouse, tag: string) => {
    await follow(house, newsroom, `pending-${tag}@example.org`)
    await givenFollower(house, newsroom, `active-${tag}@example.org`)
    const { id } = await givenFollower(house, newsroom, `ended-${tag}@example.org`)
    await postForm(house, `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`, {
      'List-Unsubscribe': 'One-Click',
    })
    for (const reason of ['complained', 'erased', 'bounced'])
      await pool.query('insert into suppressions (address_hash, reason, at) values ($1, $2, now())', [
        hashAddress(house.deps.addressHashKey, `${reason}-${tag}@example.org`),
        reason,
      ])
  }

  test('whatever an address is to us, forms and programs get the same bytes', async () => {
    const house = await readerHouse(pool)
    const whole = (answer: Awaited<ReturnType<typeof follow>>) =>
      JSON.stringify([answer.statusCode, { ...answer.headers, date: '' }, answer.body])
    for (const door of ['form', 'program'] as const) {
      await givenEach(house, door)
      const answers: string[] = []
      for (const state of states) {
        const email = `${state}-${door}@example.org`
        answers.push(whole(door === 'form' ? await follow(house, newsroom, email) : await json(house, { email })))
      }
      expect(new Set(answers).size).toBe(1)
    }
    await house.app.close()
  })

  // Time is not measured: the statements are what takes it, and they are the same ones, as often, in the same order.
  test('whatever an address is to us, the same statements run for it', async () => {
    const asked: string[] = []
    const watched = watchStatements(pool, asked)
    const house = await readerHouse(watched)
    await givenEach(house, 'timed')
    const shapes: string[] = []
    for (const state of states) {
      asked.length = 0
      await follow(house, newsroom, `${state}-timed@example.org`)
      shapes.push(asked.join('\n---\n'))
      expect(asked.length).toBeGreaterThan(7)
    }
    expect(new Set(shapes).size).toBe(1)
    await house.app.close()
  })
})

describe('what a second sign-up can change', () => {
  test('of an active subscription nothing; of one that waits, what its owner is shown before they say yes', async () => {
    const house = await readerHouse(pool)
    const wishes = async (email: string) => {
      const { rows } = await pool.query(
        `select s.language, s.frequency, s.topics from subscriptions s join subscribers r on r.id = s.subscriber_id
          where s.newsroom_id = $1 and r.address_key = $2`,
        [newsroom.id, email],
      )
      return rows[0]
    }
    await follow(house, newsroom, 'mine@example.org', { language: 'en', frequency: 'daily', topics: 'harbour' })
    const link = `/confirm/${await confirmToken(house, newsroom, 'mine@example.org')}?language=en`
    const page = (await house.app.inject({ url: link, headers: { accept: 'text/html' } })).body
    expect(page).toMatch(/<dd>Harbour<\/dd>[\s\S]*<dd>Once a day, in one email<\/dd>[\s\S]*<dd>English<\/dd>/)
    await postForm(house, link, { answer: 'yes' })
    const mine = { language: 'en', frequency: 'daily', topics: ['harbour'] }
    expect(await wishes('mine@example.org')).toEqual(mine)
    await follow(house, newsroom, 'mine@example.org', { language: 'nb', frequency: 'weekly', topics: 'climate' })
    expect(await wishes('mine@example.org')).toEqual(mine)
    const { rows } = await pool.query(`select wishes from consent_log where newsroom_id = $1 and act = 'confirmed'`, [
      newsroom.id,
    ])
    expect(rows).toEqual([{ wishes: mine }])
    await house.app.close()
  })
})

describe('injection', () => {
  test('SQL, header and markup: no naughty string in any field breaks, changes or shows through anything', async () => {
    const texts: string[] = existsSync(strings) ? JSON.parse(readFileSync(strings, 'utf8')) : []
    texts.push(
      "'; drop table budgets; --",
      'a@example.org\r\nBcc: b@example.org',
      'a@example.org, b@example.org',
      '{"$gt":""}',
      '__proto__',
      'constructor',
    )
    const house = await readerHouse(pool, { signUpsPerHour: 1_000_000 })
    const fields = ['email', 'language', 'topics', 'frequency', 'comment', 'shown', 'altcha', 'lane', 'x'] as const
    const members = ['email', 'language', 'topics', 'frequency', 'altcha'] as const
    const told: [string, string, number][] = []
    const inForm = async (text: string, field: string) => {
      const answer = await follow(house, newsroom, 'plain@example.org', { [field]: text })
      expect(answer.body.replace(/="[^"]*"/g, '')).not.toMatch(/<script|onerror|<svg|<iframe/i)
      told.push([field, text, answer.statusCode])
    }
    const inJson = async (text: string, field: string, value: unknown) => {
      told.push([field, text, (await json(house, { email: 'plain@example.org', [field]: value })).statusCode])
    }
    // Every text in two fields and one member: each of them meets more than a hundred texts.
    for (const [n, text] of texts.entries())
      await Promise.all([
        inForm(text, fields[n % fields.length]!),
        inForm(text, fields[(n + 4) % fields.length]!),
        inJson(text, members[n % members.length]!, [text, [text], { [text]: text }][n % 3]),
      ])
    expect(told.filter(([, , status]) => ![200, 202, 400, 422, 428].includes(status))).toEqual([])
    expect(told.length).toBe(3 * texts.length)
    const { rows } = await pool.query<{ address: string; topics: string[] }>(
      `select distinct r.address, s.topics from subscribers r join subscriptions s on s.subscriber_id = r.id where s.newsroom_id = $1`,
      [newsroom.id],
    )
    expect(rows).toEqual([{ address: 'plain@example.org', topics: [] }])
    await house.app.close()
  })
})

describe('forged, swapped and flipped', () => {
  test('a token of one door opens no other, and no bit of fifty may be changed', async () => {
    const house = await readerHouse(pool)
    const before = await everyRow(pool)
    const shown = shownAWhileAgo(house, newsroom)
    for (const door of ['confirm', 'not-me', 'unsubscribe'])
      expect(
        (await postForm(house, `/${door}/${shown}`, { answer: 'yes', 'List-Unsubscribe': 'One-Click' })).statusCode,
      ).toBe(404)
    for (let n = 0; n < 50; n++) {
      const token = sealToken(house.deps.links, 'confirm', [
        BigInt(n + 1),
        BigInt(Math.floor(Date.now() / 1000) + 9_999),
        BigInt(Date.now()),
      ])
      const bytes = Buffer.from(token, 'base64url')
      const bit = createHash('sha256').update(`${n}`).digest().readUInt16BE(0) % (bytes.length * 8)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect((await postForm(house, `/confirm/${bytes.toString('base64url')}`, { answer: 'yes' })).statusCode).toBe(404)
      expect((await follow(house, newsroom, 'f@example.org', { shown: token })).statusCode).toBe(428)
    }
    expect(await everyRow(pool)).toBe(before)
    expect(await subscriptionOf(pool, newsroom, 'f@example.org')).toBeUndefined()
    await house.app.close()
  })
})
