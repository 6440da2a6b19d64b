import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { follow, givenFollower, postForm, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { provenAtOnce, solved } from '../rig/solve-challenge.ts'

const lines: { alarm?: string; msg: string; newsroom?: string }[] = []
const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(JSON.parse(line)) })

let database: TestDatabase
let pool: Pool
let newsroom: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
})
afterAll(() => database.close())
beforeEach(async () => {
  lines.length = 0
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
const from = (ip: string) => ({ 'x-forwarded-for': ip })
const json = (house: ReaderHouse, body: object, headers: Record<string, string> = {}) =>
  house.app.inject({
    method: 'POST',
    url: `/newsrooms/${newsroom.slug}/subscriptions`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: body,
  })
const tally = (codes: readonly number[]) =>
  Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((one) => one === code).length]))

describe('list bombing', () => {
  test('a thousand sign-ups for one address from five hundred networks make one letter', async () => {
    // On a slow machine a thousand take longer than one waits for a connection.
    const patient = openPool({ url: database.url, name: 'bombed', most: 10, answersWithin: 60_000, onError: () => {} })
    const house = await readerHouse(patient, { signUpsPerHour: 30 })
    // All at once: they may not take every connection there is from the others either.
    const bombing = Array.from({ length: 1_000 }, (_, n) =>
      follow(house, newsroom, 'bombed@example.org', {}, from(`198.18.${n % 250}.${n % 2}`)),
    )
    expect((await follow(house, newsroom, 'bystander@example.org', {}, from('203.0.113.1'))).statusCode).toBe(200)
    const codes = (await Promise.all(bombing)).map((answer) => answer.statusCode)
    expect(tally(codes)).toEqual({ 200: 1_000 })
    expect(await lettersOwed('bombed@%')).toBe(1)
    await house.app.close()
    await patient.end()
  })

  test('one address gets a few letters a day from all newsrooms together', async () => {
    const house = await readerHouse(pool)
    for (let n = 0; n < 12; n++) await follow(house, await givenNewsroom(pool), 'everywhere@example.org')
    const { rowCount } = await pool.query(
      `select from notices n join subscriptions s on s.id = n.subscription_id join subscribers r on r.id = s.subscriber_id
        where r.address_key = 'everywhere@example.org'`,
    )
    expect(rowCount).toBe(5)
    await house.app.close()
  })

  test('ten thousand addresses from one network make as many letters as its budget, over two processes', async () => {
    const houses = [await readerHouse(pool, { signUpsPerHour: 30 }), await readerHouse(pool, { signUpsPerHour: 30 })]
    const codes: number[] = []
    for (let batch = 0; batch < 50; batch++)
      codes.push(
        ...(await Promise.all(
          Array.from({ length: 200 }, async (_, n) => {
            const ip = `2001:db8:7:7::${(batch * 200 + n).toString(16)}`
            return (await json(houses[n % 2]!, { email: `many${batch}-${n}@example.org` }, from(ip))).statusCode
          }),
        )),
      )
    expect(tally(codes)).toEqual({ 202: 30, 429: 9_970 })
    expect(await lettersOwed('many%')).toBe(30)
    for (const house of houses) await house.app.close()
  })

  test('a rented range is refused as a whole, later than one network of it', async () => {
    const house = await readerHouse(pool, { signUpsPerHour: 3 })
    const codes: number[] = []
    for (let n = 0; n < 50; n++)
      codes.push((await json(house, { email: `r${n}@example.org` }, from(`203.0.113.${n}`))).statusCode)
    expect(tally(codes)).toEqual({ 202: 30, 429: 20 })
    const refused = await json(house, { email: 'r@example.org' }, from('203.0.113.99'))
    expect(refused.headers['ratelimit-policy']).toBe('"sign-up-wide";q=30;w=3600')
    expect((await json(house, { email: 'r@example.org' }, from('203.0.114.1'))).statusCode).toBe(202)
    await house.app.close()
  })

  test('a made-up X-Forwarded-For counts for nothing, with a proxy and without', async () => {
    const bare = await readerHouse(pool, { signUpsPerHour: 3 }, { trustProxy: [] })
    const codes: number[] = []
    for (let n = 0; n < 6; n++)
      codes.push((await json(bare, { email: `s${n}@example.org` }, from(`192.0.2.${n}`))).statusCode)
    expect(tally(codes)).toEqual({ 202: 3, 429: 3 })
    await bare.app.close()
    const proxied = await readerHouse(pool, { signUpsPerHour: 3 })
    const behind: number[] = []
    // What the visitor made up stands on the left; the proxy we trust added the right one.
    for (let n = 0; n < 6; n++)
      behind.push((await json(proxied, { email: `t${n}@example.org` }, from(`192.0.2.${n}, 198.18.5.5`))).statusCode)
    expect(tally(behind)).toEqual({ 202: 3, 429: 3 })
    await proxied.app.close()
  })

  test('a ceiling trips and alarms once, tells everybody alike when to come back, and readers’ letters go on', async () => {
    const house = await readerHouse(pool, { log, signUpCeilings: { newsroom: 10, installation: 1_000_000 } })
    const follower = await givenFollower(house, newsroom, 'faithful@example.org')
    const proven = async (email: string) => {
      const needed = await json(house, { email })
      return json(house, { email, altcha: needed.statusCode === 428 ? await provenAtOnce(house, newsroom) : '' })
    }
    const codes: number[] = []
    for (let n = 0; n < 14; n++) codes.push((await proven(`c${n}@example.org`)).statusCode)
    expect(codes.lastIndexOf(202)).toBeLessThan(codes.indexOf(429))
    expect(codes.filter((code) => code === 202).length).toBeLessThanOrEqual(10)
    const refused = await Promise.all(
      ['faithful@example.org', 'nobody@example.org'].map(async (email) => proven(email)),
    )
    expect(new Set(refused.map((answer) => JSON.stringify({ ...answer.json(), instance: '' }))).size).toBe(1)
    expect(refused[0]!.json().type).toBe('urn:pressebud:refusal:too-many-sign-ups')
    expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThan(0)
    const alarms = lines.filter((line) => line.alarm === 'newsroom-ceiling')
    expect(alarms).toEqual([expect.objectContaining({ newsroom: newsroom.slug })])
    // What confirmed readers get and may do does not ask the ceiling.
    const inbox = await openRecordingInbox()
    const engine = openEngine(pool, inbox.url)
    await engine.send((await givenMailing(pool, newsroom)).mailingId)
    expect(inbox.received.map(({ to }) => to)).toEqual(['faithful@example.org'])
    await engine.close()
    await inbox.close()
    const token = sealToken(house.deps.links, 'unsubscribe', [BigInt(follower.id), 0n, 0n])
    expect((await postForm(house, `/unsubscribe/${token}`, { 'List-Unsubscribe': 'One-Click' })).statusCode).toBe(200)
    const other = await givenNewsroom(pool)
    expect((await follow(house, other, 'elsewhere@example.org')).statusCode).toBe(200)
    await house.app.close()
  })
})

describe('a proof of work', () => {
  const pressed = { signUpCeilings: { newsroom: 100, installation: 1_000_000 } }
  /** Beyond what is usual: a tenth of the ceiling. */
  const crowd = async (house: ReaderHouse) => {
    for (let n = 0; n < 10; n++) await json(house, { email: `crowd${n}@example.org` })
  }

  test('is asked of programs when sign-ups are unusually many, and lets them in once', async () => {
    const house = await readerHouse(pool, { log, ...pressed })
    await crowd(house)
    const needed = await json(house, { email: 'program@example.org' })
    expect([needed.statusCode, needed.headers['content-type']]).toEqual([
      428,
      'application/problem+json; charset=utf-8',
    ])
    expect(needed.json()).toMatchObject({
      type: 'urn:pressebud:refusal:challenge-needed',
      challenge: { parameters: { algorithm: 'PBKDF2/SHA-256' } },
    })
    expect(await lettersOwed('program@%')).toBe(0)
    const altcha = await solved(needed.json().challenge)
    expect((await json(house, { email: 'program@example.org', altcha })).statusCode).toBe(202)
    expect(await lettersOwed('program@%')).toBe(1)
    expect((await json(house, { email: 'second@example.org', altcha })).statusCode).toBe(428)
    expect(lines.filter((line) => line.alarm === 'newsroom-usual')).toHaveLength(1)
    await house.app.close()
  })

  test('is told of once for the whole installation where all newsrooms together are unusual', async () => {
    const house = await readerHouse(pool, { log, signUpCeilings: { newsroom: 1_000_000, installation: 100 } })
    await crowd(house)
    const second = await givenNewsroom(pool)
    for (const asked of [newsroom, second])
      expect((await follow(house, asked, 'late@example.org')).statusCode).toBe(428)
    expect(lines.map(({ alarm, msg }) => ({ alarm, msg }))).toEqual([
      { alarm: 'installation-usual', msg: 'sign-ups are unusually many: a proof of work is asked for' },
    ])
    await house.app.close()
  })

  test('does not count when forged, made easier, too old or meant for another newsroom', async () => {
    const house = await readerHouse(pool, pressed)
    const elsewhere = await givenNewsroom(pool)
    await crowd(house)
    const good = (await house.app.inject(`/newsrooms/${newsroom.slug}/challenge`)).json()
    const payload = JSON.parse(Buffer.from(await solved(good), 'base64').toString())
    const wrong = [
      {
        ...payload,
        solution: { ...payload.solution, counter: payload.solution.counter + 1, derivedKey: 'ab'.repeat(32) },
      },
      { ...payload, challenge: { ...good, parameters: { ...good.parameters, keyPrefix: '00', cost: 1 } } },
      {
        ...payload,
        challenge: { ...good, signature: good.signature.replace(/^./, (c: string) => (c === 'a' ? 'b' : 'a')) },
      },
      { challenge: good, solution: null },
      { challenge: { ...good, signature: undefined }, solution: payload.solution },
      [],
      null,
    ].map((one) => Buffer.from(JSON.stringify(one)).toString('base64'))
    wrong.push('%%%', await provenAtOnce(house, elsewhere))
    for (const altcha of wrong)
      expect([altcha, (await json(house, { email: 'w@example.org', altcha })).statusCode]).toEqual([altcha, 428])
    house.clock.now = new Date(Date.now() + 21 * 60_000)
    const stillMany = await readerHouse(pool, pressed)
    stillMany.clock.now = house.clock.now
    await crowd(stillMany)
    const late = Buffer.from(JSON.stringify(payload)).toString('base64')
    expect((await json(stillMany, { email: 'w@example.org', altcha: late })).statusCode).toBe(428)
    await stillMany.app.close()
    await house.app.close()
  })

  test('is offered to people on the page, who may also wait for their letter instead: one every half minute', async () => {
    const house = await readerHouse(pool, pressed)
    await crowd(house)
    const asked = await follow(house, newsroom, 'person@example.org', { topics: 'harbour', frequency: 'weekly' })
    expect(asked.statusCode).toBe(428)
    expect(asked.body).toMatch(/value="person@example.org"/)
    expect(asked.body).toMatch(/value="harbour" checked/)
    expect(asked.body).toMatch(/value="weekly" selected/)
    expect(asked.headers['content-security-policy']).toContain("script-src 'self'")
    expect((await house.app.inject(`/newsrooms/${newsroom.slug}`)).headers['content-security-policy']).not.toContain(
      'script',
    )

    const proof = await solved((await house.app.inject(`/newsrooms/${newsroom.slug}/challenge`)).json())
    const proven = await follow(house, newsroom, 'person@example.org', { altcha: proof, lane: 'slow' })
    expect([proven.statusCode, proven.body.includes('Sjekk innboksen din')]).toEqual([200, true])

    for (const n of [1, 2, 3]) {
      const patient = await follow(house, newsroom, `patient${n}@example.org`, { lane: 'slow' })
      expect([patient.statusCode, patient.body.includes('E-posten kommer om en stund')]).toEqual([200, true])
    }
    const { rows } = await pool.query<{ wait: number }>(
      `select extract(epoch from n.next_at - n.created_at)::int as wait from notices n
         join subscriptions s on s.id = n.subscription_id join subscribers r on r.id = s.subscriber_id
        where s.newsroom_id = $1 and r.address_key like 'patient%' order by n.next_at`,
      [newsroom.id],
    )
    expect(rows.map(({ wait }) => wait)).toEqual([0, 30, 60])
    await house.app.close()
  })
})
