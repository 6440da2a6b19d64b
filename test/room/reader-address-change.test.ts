import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { forgetAddressChanges } from '../../shared/subscriber/address-change.sql.ts'
import { hashAddress } from '../../shared/subscriber/address-hash.ts'
import { eraseReader } from '../../shared/subscriber/erase-reader.sql.ts'
import { addSubscriptions } from '../../shared/subscription/add-subscriptions.sql.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { doorIn, type NoticeSender, openNoticeSender } from '../rig/notice-sender.ts'
import {
  confirmToken,
  follow,
  givenFollower,
  postForm,
  type ReaderHouse,
  readerHouse,
  subscriptionOf,
} from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let sender: NoticeSender
let engine: Engine
let newsroom: Newsroom
let other: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool, { signUpsPerHour: 100_000 })
  sender = await openNoticeSender(pool)
  engine = openEngine(pool, sender.inbox.url)
  newsroom = await givenNewsroom(pool)
  other = await givenNewsroom(pool, { name: 'Ytterøya havn' })
})
afterAll(async () => {
  await engine.close()
  await sender.close()
  await house.app.close()
  await database.close()
})

const get = (url: string) => house.app.inject({ url, headers: { accept: 'text/html' } })
const askFor = (id: string, address: string) =>
  postForm(house, `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`, {
    ...{ act: 'save', frequency: 'immediate', language: 'nb', pause: '', address },
  })
const whoGets = async (into: Newsroom) => {
  const { rows } = await pool.query<{ address: string }>(
    `select b.address from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.newsroom_id = $1 and s.state = 'active' order by b.address`,
    [into.id],
  )
  return rows.map(({ address }) => address)
}

/** Asks for a new address, and returns the way its letter leads to. */
async function asked(from: string, to: string, into: Newsroom = newsroom): Promise<string> {
  const { id } = await subscriptionOf(pool, into, from)
  await sender.work()
  await askFor(id, to)
  const letter = (await sender.work()).find((one) => one.to === to)
  return doorIn(letter!, 'new-address')
}

test('nothing changes until the new address confirms; then all a reader follows goes there, and the old one is told', async () => {
  await givenFollower(house, newsroom, 'old1@example.org')
  await givenFollower(house, other, 'old1@example.org')
  const door = await asked('old1@example.org', 'new1@example.org')
  expect(await whoGets(newsroom)).toEqual(['old1@example.org'])
  const before = await everyRow(pool)
  const page = await get(door)
  expect(page.body).toContain('new1@example.org')
  expect(page.body).not.toContain('old1@example.org')
  expect(await everyRow(pool)).toBe(before)

  const done = await postForm(house, door, {})
  expect([done.statusCode, done.body]).toEqual([200, expect.stringContaining('Adressen er endret')])
  expect(await whoGets(newsroom)).toEqual(['new1@example.org'])
  expect(await whoGets(other)).toEqual(['new1@example.org'])
  const [told, ...more] = await sender.work()
  expect(more).toEqual([])
  expect([told!.to, told!.email.subject]).toEqual(['old1@example.org', 'Pressemeldingene går nå til en ny adresse'])
  // Pressed again it says how it stands, and tells nobody twice.
  expect((await postForm(house, door, {})).statusCode).toBe(200)
  expect(await sender.work()).toEqual([])
  const { id } = await subscriptionOf(pool, newsroom, 'new1@example.org')
  const { rows } = await pool.query(
    `select act, door, detail, origin_hash is not null as has_origin from consent_log where subscription_id = $1 order by id desc limit 1`,
    [id],
  )
  expect(rows).toEqual([
    { act: 'changed', door: 'new-address-page', detail: { address: ['old', 'new'] }, has_origin: true },
  ])
  // Links in letters from before go on working.
  const page2 = await get(`/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 3n, 0n])}`)
  expect(page2.body).toContain('ne…\u2060@example.org')

  const back = doorIn(told!, 'old-address')
  expect((await get(back)).body).toContain('old1@example.org')
  expect(await whoGets(newsroom)).toEqual(['new1@example.org'])
  expect((await postForm(house, back, {})).body).toContain('flyttet tilbake')
  expect(await whoGets(newsroom)).toEqual(['old1@example.org'])
  expect(await whoGets(other)).toEqual(['old1@example.org'])
  // What was taken back cannot be done again with the old letter.
  expect((await postForm(house, door, {})).statusCode).toBe(410)
  await postForm(house, `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 3n, 0n])}`, {
    'List-Unsubscribe': 'One-Click',
  })
})

test('a list imported once more brings nobody back under the address they moved from, nor who has left since', async () => {
  const { id } = await givenFollower(house, newsroom, 'listed@example.org')
  const door = await asked('listed@example.org', 'elsewhere@example.org')
  await postForm(house, door, {})
  const again = () => addSubscriptions(pool, newsroom.id, ['listed@example.org', 'elsewhere@example.org'], 'nb')
  expect(await again()).toEqual([])
  await postForm(house, `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 3n, 0n])}`, {
    'List-Unsubscribe': 'One-Click',
  })
  expect(await again()).toEqual([])
  expect((await whoGets(newsroom)).filter((address) => /listed|elsewhere/.test(address))).toEqual([])
  await sender.work()
})

test('who has left everything before the new address was asked hears nothing more of it there, and its link moves nothing', async () => {
  const { id } = await givenFollower(house, newsroom, 'leaves@example.org')
  const leave = () =>
    postForm(house, `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 3n, 0n])}`, {
      'List-Unsubscribe': 'One-Click',
    })
  const door = await asked('leaves@example.org', 'first-new@example.org')
  await askFor(id, 'second-new@example.org')
  expect((await leave()).statusCode).toBe(200)
  expect(await sender.work()).toEqual([])
  expect((await postForm(house, door, {})).statusCode).toBe(410)
  expect(await sender.work()).toEqual([])
})

test('the answer is the same whether the new address is known, follows, waits or is barred', async () => {
  await givenFollower(house, newsroom, 'asker@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'asker@example.org')
  await givenFollower(house, newsroom, 'known@example.org')
  await follow(house, newsroom, 'pending@example.org')
  const answers: string[] = []
  for (const address of ['unknown@example.org', 'known@example.org', 'pending@example.org']) {
    const answer = await askFor(id, address)
    const { date: _date, ...headers } = answer.headers
    answers.push(JSON.stringify([answer.statusCode, headers, answer.body]))
  }
  expect(new Set(answers).size).toBe(1)
  // Three in a day: each is a letter to somebody.
  expect((await askFor(id, 'fourth@example.org')).body).toContain('Prøv igjen i morgen')
  expect((await sender.work()).map(({ to }) => to).filter((to) => to === 'fourth@example.org')).toEqual([])
  // A program is told so as well, and whose address it was is not kept.
  const door = `/preferences/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`
  const asProgram = await house.app.inject({
    ...{
      method: 'POST',
      url: door,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    },
    payload: 'act=save&frequency=immediate&language=nb&pause=&address=fifth@example.org',
  })
  expect(asProgram.json()).toEqual({ state: 'address-not-asked' })
  const { rows } = await pool.query(`select address from subscribers where address ~ '^(fourth|fifth)@'`)
  expect(rows).toEqual([])
})

test('an address that follows already goes on as it does, once; taken back, both follow again', async () => {
  await givenFollower(house, newsroom, 'old2@example.org')
  await givenFollower(house, newsroom, 'both2@example.org')
  const mine = await subscriptionOf(pool, newsroom, 'old2@example.org')
  const theirs = await subscriptionOf(pool, newsroom, 'both2@example.org')
  const door = await asked('old2@example.org', 'both2@example.org')
  await postForm(house, door, {})
  const state = async (id: string) =>
    (await pool.query('select state, ended_reason from subscriptions where id = $1', [id])).rows[0]
  expect(await state(mine.id)).toEqual({ state: 'ended', ended_reason: 'merged' })
  expect(await state(theirs.id)).toEqual({ state: 'active', ended_reason: null })
  const told = (await sender.work()).find(({ to }) => to === 'old2@example.org')
  const since = async () =>
    (await pool.query('select activated_at from subscriptions where id = $1', [mine.id])).rows[0].activated_at
  const before = await since()
  await postForm(house, doorIn(told!, 'old-address'), {})
  expect(await state(mine.id)).toEqual({ state: 'active', ended_reason: null })
  // They never left: what was accepted meanwhile is theirs, and so is what was on its way.
  expect(await since()).toEqual(before)
  expect(await state(theirs.id)).toEqual({ state: 'active', ended_reason: null })
})

test.each(['one', 'all'])(
  'who leaves %s by a letter of the old address has left, though it follows only by the new one',
  async (which) => {
    const [from, to] = [`leaver-${which}@example.org`, `kept-${which}@example.org`]
    await givenFollower(house, newsroom, from)
    await givenFollower(house, newsroom, to)
    const mine = await subscriptionOf(pool, newsroom, from)
    await postForm(house, await asked(from, to), {})
    const told = (await sender.work()).find((one) => one.to === from)
    const token = sealToken(house.deps.links, 'unsubscribe', [BigInt(mine.id), 0n, 0n])
    if (which === 'one') await postForm(house, `/unsubscribe/${token}`, { 'List-Unsubscribe': 'One-Click' })
    else await postForm(house, `/preferences/${token}`, { act: 'leave-all' })
    await postForm(house, doorIn(told!, 'old-address'), {})
    expect(await whoGets(newsroom)).not.toContain(from)
    expect(await whoGets(newsroom)).toContain(to)
    const { rows } = await pool.query('select act from consent_log where subscription_id = $1 order by id', [mine.id])
    expect(rows.at(-1)).toEqual({ act: 'ended' })
  },
)

test('a change is taken back once nothing may begin to the other address any more', async () => {
  await givenFollower(house, newsroom, 'robbed@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'robbed@example.org')
  await postForm(house, await asked('robbed@example.org', 'robber@example.org'), {})
  const told = (await sender.work()).find(({ to }) => to === 'robbed@example.org')
  house.optedOut.length = 0
  await postForm(house, doorIn(told!, 'old-address'), {})
  expect(house.optedOut).toEqual([id])
})

test('“that was not me” at an address that was moved from leaves its way to take that back', async () => {
  await givenFollower(house, newsroom, 'victim@example.org')
  await postForm(house, await asked('victim@example.org', 'thief@example.org'), {})
  const told = (await sender.work()).find(({ to }) => to === 'victim@example.org')
  await follow(house, other, 'victim@example.org')
  await postForm(house, `/not-me/${await confirmToken(house, other, 'victim@example.org')}`, {})
  expect((await postForm(house, doorIn(told!, 'old-address'), {})).statusCode).toBe(200)
  expect(await whoGets(newsroom)).toContain('victim@example.org')
})

test.each(['ended', 'pending'])('where the new address has one that is %s, the two change places', async (state) => {
  const [from, to] = [`old-${state}@example.org`, `new-${state}@example.org`]
  await givenFollower(house, newsroom, from)
  const mine = await subscriptionOf(pool, newsroom, from)
  if (state === 'pending') await follow(house, newsroom, to)
  else {
    const { id } = await givenFollower(house, newsroom, to)
    await postForm(house, `/unsubscribe/${sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])}`, {
      'List-Unsubscribe': 'One-Click',
    })
  }
  const there = await subscriptionOf(pool, newsroom, to)
  await postForm(house, await asked(from, to), {})
  expect((await subscriptionOf(pool, newsroom, to)).id).toBe(mine.id)
  expect(await subscriptionOf(pool, newsroom, from)).toMatchObject({ id: there.id, state: 'ended' })
  const told = (await sender.work()).find((one) => one.to === from)
  await postForm(house, doorIn(told!, 'old-address'), {})
  expect(await subscriptionOf(pool, newsroom, from)).toMatchObject({ id: mine.id, state: 'active' })
  expect(await subscriptionOf(pool, newsroom, to)).toMatchObject({ id: there.id, state: 'ended' })
})

test('a letter on its way when the address changes goes to the new one, once', async () => {
  const room = await givenNewsroom(pool)
  await givenFollower(house, room, 'flight@example.org')
  const door = await asked('flight@example.org', 'landed@example.org', room)
  sender.inbox.refuse('flight@example.org', { code: 451, text: '4.3.0 not now', times: 1 })
  const { mailingId } = await givenMailing(pool, room)
  await engine.send(mailingId)
  await postForm(house, door, {})
  await pool.query('update deliveries set until = now() where mailing_id = $1', [mailingId])
  await pool.query('update chunks set next_at = now(), lease_until = null where mailing_id = $1', [mailingId])
  await engine.reconcileAndSend()
  const releases = sender.inbox.received.filter(({ raw }) => raw.includes('Precedence: bulk')).map(({ to }) => to)
  expect(releases.filter((to) => /flight|landed/.test(to))).toEqual(['landed@example.org'])
})

test.each(['erased', 'moved from for a month'])(
  'what a mail host said under an address that is %s is gone',
  async (why) => {
    const room = await givenNewsroom(pool)
    const name = why.split(' ')[0]!
    const [from, to] = [`said-${name}@example.org`, `quiet-${name}@example.org`]
    const { id } = await givenFollower(house, room, from)
    const { mailingId } = await givenMailing(pool, room)
    sender.inbox.refuse(from, { code: 451, text: `4.2.2 <${from}> is full`, times: 1 })
    await engine.send(mailingId)
    await postForm(house, await asked(from, to, room), {})
    await sender.work()
    const said = async () =>
      (
        await pool.query<{ reply: string | null; detail: string }>(
          'select d.reply, a.detail from deliveries d join attempts a using (mailing_id, subscription_id) where subscription_id = $1',
          [id],
        )
      ).rows.map(({ reply, detail }) => `${reply} ${detail}`)
    expect(await said()).toEqual([expect.stringContaining(from)])

    if (name === 'erased') {
      const hash = hashAddress(house.deps.addressHashKey, from)
      await eraseReader(pool, hash, { door: 'my-data-page', language: 'nb', wording: 'Erase' }, new Date())
    } else {
      await pool.query(`update address_changes set done_at = now() - interval '31 days' where $1 = any(moved)`, [id])
      expect(await forgetAddressChanges(pool, 7, 10)).toBeGreaterThan(0)
    }
    expect((await said()).join()).not.toContain(from)
    expect(await whoGets(room)).toEqual([to])
  },
)

test('a link of three days ago asks no more, and the address that never answered is forgotten', async () => {
  await givenFollower(house, newsroom, 'old3@example.org')
  const door = await asked('old3@example.org', 'late3@example.org')
  house.clock.now = new Date(Date.now() + 73 * 3_600_000)
  expect((await get(door)).statusCode).toBe(410)
  expect((await postForm(house, door, {})).statusCode).toBe(410)
  house.clock.now = new Date()
  expect(await whoGets(newsroom)).toContain('old3@example.org')
})

test('a bounce of the letter that asks counts against the address that was asked, and ends nothing', async () => {
  await givenFollower(house, newsroom, 'old4@example.org')
  const { id } = await subscriptionOf(pool, newsroom, 'old4@example.org')
  sender.inbox.refuse('typo4@example.org', { code: 550, text: '5.1.1 no such user' })
  await askFor(id, 'typo4@example.org')
  await sender.work()
  expect((await subscriptionOf(pool, newsroom, 'old4@example.org')).state).toBe('active')
  const { rows } = await pool.query(
    `select b.address from suppressions x join subscribers b on b.address_hash = x.address_hash where x.reason = 'bounced'`,
  )
  expect(rows).toEqual([{ address: 'typo4@example.org' }])
})
