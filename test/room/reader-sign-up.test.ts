import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
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

const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

/** A page's markup without what stands in it. */
const tagsOf = (html: string) => html.replace(/="[^"]*"/g, '').match(/<[^>]+>/g)

describe('the door where readers ask to follow', () => {
  let pool: Pool
  let database: TestDatabase
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

  const notices = async (email: string) => {
    const { rows } = await pool.query<{ kind: string }>(
      `select n.kind from notices n join subscriptions s on s.id = n.subscription_id
         join subscribers r on r.id = s.subscriber_id where r.address_key = $1 and s.newsroom_id = $2 order by n.kind`,
      [email, newsroom.id],
    )
    return rows.map((row) => row.kind)
  }
  const suppress = (email: string, reason: string) =>
    pool.query('insert into suppressions (address_hash, reason, at) values ($1, $2, now())', [
      hashAddress(house.deps.addressHashKey, email),
      reason,
    ])
  const json = (body: object | string, slug = newsroom.slug) =>
    house.app.inject({
      method: 'POST',
      url: `/newsrooms/${slug}/subscriptions`,
      headers: { 'content-type': 'application/json' },
      payload: body,
    })

  test('a new reader is owed one confirmation, and the consent they saw is kept', async () => {
    const answer = await follow(house, newsroom, '  Kari@Example.org ', { language: 'en' })
    expect(answer.statusCode).toBe(200)
    expect(await subscriptionOf(pool, newsroom, 'kari@example.org')).toMatchObject({ state: 'pending', language: 'en' })
    expect(await notices('kari@example.org')).toEqual(['confirmation'])
    expect(house.woken).toHaveLength(1)
    const { rows } = await pool.query('select * from consent_log order by id desc limit 1')
    expect(rows[0]).toMatchObject({ act: 'requested', door: 'newsroom-page', language: 'nb' })
    expect(rows[0].wording).toMatch(/^2026-11: Havneby kommune bruker adressen /)
    expect(rows[0].form_url).toBe(`https://press.example/newsrooms/${newsroom.slug}`)
    expect(rows[0].origin_hash).toHaveLength(32)
  })

  test('whoever asks, the answer is the same to the byte, for forms and for programs', async () => {
    await follow(house, newsroom, 'pending@example.org')
    await givenFollower(house, newsroom, 'active@example.org')
    await suppress('complained@example.org', 'complained')
    const asker = ['new', 'pending', 'active', 'complained']
    const whole = (answer: Awaited<ReturnType<typeof follow>>) =>
      JSON.stringify([answer.statusCode, { ...answer.headers, date: '' }, answer.body])
    const forms = []
    for (const who of asker) forms.push(whole(await follow(house, newsroom, `${who}@example.org`)))
    expect(new Set(forms).size).toBe(1)
    const programs = []
    for (const who of asker) programs.push(whole(await json({ email: `${who === 'new' ? 'newer' : who}@example.org` })))
    expect(new Set(programs).size).toBe(1)
    expect(programs[0]).toContain('202')
    expect(await notices('active@example.org')).toEqual(['already-following', 'confirmation'])
    expect(await notices('pending@example.org')).toEqual(['confirmation'])
    expect(await notices('complained@example.org')).toEqual([])
    expect((await subscriptionOf(pool, newsroom, 'active@example.org')).state).toBe('active')
  })

  test('asked for again every hour, an address gets one letter a day', async () => {
    for (let hour = 0; hour <= 25; hour++) {
      house.clock.now = new Date(Date.now() + hour * 3_600_000)
      expect((await follow(house, newsroom, 'hourly@example.org')).statusCode).toBe(200)
    }
    house.clock.now = new Date()
    expect(await notices('hourly@example.org')).toEqual(['confirmation', 'confirmation'])
  })

  test('a reader who follows, leaves and comes back the same day gets a new confirmation', async () => {
    const { id } = await givenFollower(house, newsroom, 'back@example.org')
    await pool.query(
      `update subscriptions set state = 'ended', ended_at = now(), ended_reason = 'unsubscribed' where id = $1`,
      [id],
    )
    const old = await confirmToken(house, newsroom, 'back@example.org')
    house.clock.now = new Date(Date.now() + 1_000)
    await follow(house, newsroom, 'back@example.org')
    expect(await notices('back@example.org')).toEqual(['confirmation', 'confirmation'])
    expect((await postForm(house, `/confirm/${old}`, {})).statusCode).toBe(410)
    const fresh = await confirmToken(house, newsroom, 'back@example.org')
    house.clock.now = new Date()
    expect((await postForm(house, `/confirm/${fresh}`, {})).statusCode).toBe(200)
  })

  test('a bounced address may ask again, and its confirmation clears the bounce', async () => {
    await suppress('full@example.org', 'bounced')
    await follow(house, newsroom, 'full@example.org')
    expect(await notices('full@example.org')).toEqual(['confirmation'])
    await postForm(house, `/confirm/${await confirmToken(house, newsroom, 'full@example.org')}`, {})
    const hash = hashAddress(house.deps.addressHashKey, 'full@example.org')
    expect((await pool.query('select from suppressions where address_hash = $1', [hash])).rowCount).toBe(0)
  })

  test('what fills in the field people do not see gets the same answer and leaves nothing', async () => {
    const honest = await follow(house, newsroom, 'honest@example.org')
    const before = await rowsOf(pool)
    const robot = await follow(house, newsroom, 'robot@example.org', { comment: 'Cheap watches' })
    expect([robot.statusCode, robot.body]).toEqual([honest.statusCode, honest.body])
    expect(await rowsOf(pool)).toBe(before)
  })

  test('an address that is none is told beside the field, and keeps what was written', async () => {
    const answer = await follow(house, newsroom, 'kari@@example.org')
    expect(answer.statusCode).toBe(422)
    expect(answer.body).toMatch(/<input id="email"[^>]*value="kari@@example.org"[^>]*aria-invalid="true" autofocus/)
    expect(answer.body).toMatch(/<p class="fault" id="email-fault">/)
    expect(answer.body).toMatch(/aria-describedby="email-fault follow-consent"/)
    expect(answer.body).toContain('<title>Feil: ')
    const program = await json({ email: 'kari@@example.org' })
    expect(program.statusCode).toBe(422)
    expect(program.json().errors).toMatchObject([{ pointer: '/email' }])
  })

  test('a program is told of what is missing, wrong or not asked for', async () => {
    expect((await json({})).json().errors[0].pointer).toBe('/email')
    expect((await json({ email: 7 })).statusCode).toBe(422)
    expect((await json({ email: 'a@example.org', language: 'fi' })).json().errors[0].pointer).toBe('/language')
    expect((await json({ email: 'a@example.org', more: 1 })).statusCode).toBe(422)
    expect((await json('null')).statusCode).toBe(422)
    expect((await json('{"email"')).statusCode).toBe(400)
    expect((await json({ email: 'a@example.org' }, 'nowhere')).statusCode).toBe(404)
  })

  test('two spellings of a domain are one reader', async () => {
    await follow(house, newsroom, 'ola@blåbær.example')
    await follow(house, newsroom, 'OLA@xn--blbr-roah.example')
    const { rows } = await pool.query(`select address from subscribers where address_key like 'ola@%'`)
    expect(rows).toEqual([{ address: 'ola@xn--blbr-roah.example' }])
  })

  test('one network may ask so often and no more, and is told when to come back', async () => {
    const strict = await readerHouse(pool, { signUpsPerHour: 3 })
    const ask = (ip: string, accept: string) =>
      strict.app.inject({
        method: 'POST',
        url: `/newsrooms/${newsroom.slug}/subscriptions`,
        headers: { 'content-type': 'application/json', accept, 'x-forwarded-for': ip },
        payload: { email: 'crowd@example.org' },
      })
    for (const last of [1, 2, 3]) expect((await ask(`2001:db8:0:1::${last}`, '*/*')).statusCode).toBe(202)
    const refused = await ask('2001:db8:0:1::4', '*/*')
    expect(refused.statusCode).toBe(429)
    expect(refused.headers['content-type']).toContain('problem+json')
    expect(Number(refused.headers['retry-after'])).toBe(1_200)
    expect(refused.headers['ratelimit-policy']).toBe('"sign-up";q=3;w=3600')
    expect(refused.headers.ratelimit).toBe('"sign-up";r=0;t=1200')
    const page = await ask('2001:db8:0:1::5', 'text/html')
    expect([page.statusCode, page.headers['content-type']]).toEqual([429, 'text/html; charset=utf-8'])
    expect((await ask('2001:db8:0:2::1', '*/*')).statusCode).toBe(202)
    await strict.app.close()
  })

  test.skipIf(!existsSync(strings))('no naughty string breaks a page or gets through as markup', async () => {
    const plain = await follow(house, newsroom, 'x@example.org')
    const faulty = await follow(house, newsroom, 'x')
    const faultyLanguage = await follow(house, newsroom, 'x@example.org', { language: 'x' })
    for (const text of JSON.parse(readFileSync(strings, 'utf8')) as string[]) {
      for (const fields of [{ email: text }, { email: 'x@example.org', language: text }]) {
        const answer = await follow(house, newsroom, fields.email, fields)
        expect([200, 422]).toContain(answer.statusCode)
        expect([tagsOf(plain.body), tagsOf(faulty.body), tagsOf(faultyLanguage.body)]).toContainEqual(
          tagsOf(answer.body),
        )
      }
      const program = await json({ email: text, language: text })
      expect(program.statusCode).toBe(422)
    }
  })
})
