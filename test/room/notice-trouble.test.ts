import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { untilNobodyMayBegin } from '../../shared/delivery/may-still-begin.sql.ts'
import { sealExpiring } from '../../shared/links/expiring-link.ts'
import { sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { answerLinkRequests } from '../../workers/scheduler/answer-link-requests.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { signal } from '../rig/hand-over.ts'
import { type NoticeSender, openNoticeSender } from '../rig/notice-sender.ts'
import { confirmToken, follow, givenFollower, postForm, readerHouse } from '../rig/reader-house.ts'
import { playHost, type ScriptedHost, takeLetters, welcome } from '../rig/scripted-smtp.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let house: Awaited<ReturnType<typeof readerHouse>>
let sender: NoticeSender
let newsroom: Newsroom

beforeEach(async () => {
  database = await openTestDatabase()
  house = await readerHouse(database.pool, { afterOptOut: (id) => untilNobodyMayBegin(database.pool, id) })
  sender = await openNoticeSender(database.pool)
  newsroom = await givenNewsroom(database.pool)
})
afterEach(async () => {
  vi.useRealTimers()
  await sender.close()
  await house.app.close()
  await database.close()
})

type Act = () => Promise<{ readonly statusCode: number }>

/** What a reader does, by which the one notice that is owed to them is of no use any more. */
const acts = {
  '“erase everything”': async () => {
    await follow(house, newsroom, 'kari@example.org')
    return eraseDoor('kari@example.org')
  },
  '“that was not me”': async () => {
    await follow(house, newsroom, 'kari@example.org')
    const token = await confirmToken(house, newsroom, 'kari@example.org')
    return () => postForm(house, `/not-me/${token}`, {})
  },
  'an opt-out': async () => {
    const id = await givenFollowerOwedNothing('kari@example.org')
    await postForm(house, `/newsrooms/${newsroom.slug}/leave`, { email: 'kari@example.org' })
    await answerLinkRequests({ pool: database.pool, wake: () => {}, now: house.deps.now })
    return () => postForm(house, `/unsubscribe/${linkOf(id)}`, { 'List-Unsubscribe': 'One-Click' })
  },
  // What it is about is somebody else's.
  '“erase everything”, by somebody who was to be asked about an address,': async () => {
    const id = await givenFollowerOwedNothing('ola@example.org')
    const wishes = { act: 'save', frequency: 'daily', language: 'en', pause: '', address: 'kari@example.org' }
    await postForm(house, `/preferences/${linkOf(id)}`, wishes)
    return eraseDoor('kari@example.org')
  },
} satisfies Record<string, () => Promise<Act>>

/** One whose confirmation has been dealt with. */
async function givenFollowerOwedNothing(email: string): Promise<string> {
  const { id } = await givenFollower(house, newsroom, email)
  await database.pool.query('delete from notices')
  return id
}

const linkOf = (id: string) => sealToken(house.deps.links, 'unsubscribe', [BigInt(id), 0n, 0n])

async function eraseDoor(key: string): Promise<Act> {
  const { rows } = await database.pool.query<{ id: string }>('select id from subscribers where address_key = $1', [key])
  const link = sealExpiring(house.deps.links, 'erase', rows[0]!.id, house.clock.now)
  return () => postForm(house, `/erase/${link}`, { sure: 'yes' })
}

test('a mail host that cannot be used shows at the desk though no mailing is under way, until a notice gets through', async () => {
  await follow(house, newsroom, 'kari@example.org')
  sender.inbox.onMailFrom = () =>
    Promise.reject(Object.assign(new Error('5.7.0 Authentication required'), { responseCode: 530 }))
  expect(await sender.work()).toEqual([])
  expect(sender.standing()).toMatchObject({
    accepted: 0,
    trouble: { detail: expect.stringContaining('530 5.7.0 Authentication required') },
  })

  sender.inbox.onMailFrom = async () => {}
  await database.pool.query(`update notices set state = 'due'`)
  expect((await sender.work()).map(({ to }) => to)).toEqual(['kari@example.org'])
  expect(sender.standing()).toEqual({ accepted: 1, trouble: null })
})

test('a notice that the mail host took while the database was away is sent once', async () => {
  let faults = 0
  const { pool } = database
  const broken = new Proxy(pool, {
    get: (target, name) =>
      name !== 'query'
        ? Reflect.get(target, name)
        : async (...asked: Parameters<typeof pool.query>) => {
            const isRecord = JSON.stringify(asked).includes('"sent"')
            if (isRecord && ++faults < 3) throw new Error('the connection was cut')
            return target.query(...asked)
          },
  })
  const hurried = await openNoticeSender(broken)
  await follow(house, newsroom, 'kari@example.org')
  await hurried.workAtOnce()
  const { rows } = await pool.query('select state, attempt from notices')
  expect(rows).toEqual([{ state: 'sent', attempt: 1 }])
  expect(faults).toBe(3)
  expect(hurried.inbox.received).toHaveLength(1)
  await hurried.close()
})

test('a notice ends where the retry window of letters would: one that the host never takes, and one that cannot be made', async () => {
  const { pool } = database
  sender.inbox.onMailFrom = () =>
    Promise.reject(Object.assign(new Error('5.7.0 Authentication required'), { responseCode: 530 }))
  await follow(house, newsroom, 'kari@example.org')
  const states = async () => (await pool.query('select state, reply from notices')).rows
  const again = () =>
    pool.query(`update notices set state = 'due', next_at = now(), created_at = now() - interval '49 hours'`)
  await sender.work()
  expect(await states()).toEqual([{ state: 'deferred', reply: expect.stringContaining('5.7.0') }])
  await again()
  await sender.work()
  expect(await states()).toEqual([{ state: 'failed', reply: expect.stringContaining('5.7.0') }])

  await again()
  await pool.query(`update newsrooms set languages = '{xx}', default_language = 'xx'`)
  await pool.query(`update subscriptions set language = 'xx'`)
  const another = await openNoticeSender(pool)
  await expect(another.workAtOnce()).rejects.toThrow()
  expect(await states()).toEqual([{ state: 'failed', reply: null }])
  await another.close()
})

test('a notice that cannot be made just now is due again in seconds', async () => {
  const { pool } = database
  let faults = 0
  const broken = new Proxy(pool, {
    get: (target, name) =>
      name !== 'query'
        ? Reflect.get(target, name)
        : async (...asked: Parameters<typeof pool.query>) => {
            if (JSON.stringify(asked).includes('from newsrooms') && ++faults === 1)
              throw new Error('the connection was cut')
            return target.query(...asked)
          },
  })
  const hurried = await openNoticeSender(broken)
  await follow(house, newsroom, 'kari@example.org')
  await expect(hurried.workAtOnce()).rejects.toThrow('the connection was cut')
  const { rows } = await pool.query(
    `select state, attempt, next_at < now() + interval '10 seconds' as "isSoon" from notices`,
  )
  expect(rows).toEqual([{ state: 'deferred', attempt: 1, isSoon: true }])
  // What is in the way of one is in the way of all like it for a moment, and is not looked for anew by each.
  await until('the notice arrives', async () => {
    await pool.query(`update notices set state = 'due', next_at = now() where state <> 'sent'`)
    await hurried.workAtOnce().catch(() => undefined)
    return hurried.inbox.received.length === 1
  })
  await hurried.close()
})

test('a receiving domain that does not answer keeps no reader of another one from her confirmation', async () => {
  const { given: itAnswers, give: answer } = signal()
  sender.inbox.slow.set('silent.example', itAnswers)
  // As many as there are connections.
  for (const name of ['per', 'ola']) await follow(house, newsroom, `${name}@silent.example`)
  const silent = sender.workAtOnce()
  await until('both are under way', async () => {
    const { rowCount } = await database.pool.query(`select from notices where state = 'claimed'`)
    return rowCount === 2
  })
  await follow(house, newsroom, 'kari@example.org')
  await sender.workAtOnce()
  const arrived = () => sender.inbox.received.map(({ to }) => to).toSorted()
  expect(arrived()).toEqual(['kari@example.org'])
  answer()
  await silent
  expect(arrived()).toEqual(['kari@example.org', 'ola@silent.example', 'per@silent.example'])
})

test('a receiving domain that many sign up from and that does not answer leaves connections to all others', async () => {
  const { given: itAnswers, give: answer } = signal()
  sender.inbox.slow.set('silent.example', itAnswers)
  let begun = 0
  sender.inbox.onMailFrom = async () => {
    begun += 1
  }
  for (const name of ['a', 'b']) await follow(house, newsroom, `${name}@silent.example`)
  const silent = sender.workAtOnce()
  await until('two are with the host', () => begun === 2)
  // From then on they keep it waiting.
  await new Promise((resolve) => setTimeout(resolve, 5_100))
  // With these they would be twice as many as there may be connections at all, which is twice as many as there are.
  for (const name of ['c', 'd', 'e', 'f', 'g', 'h']) {
    await follow(house, newsroom, `${name}@silent.example`)
    await sender.workAtOnce()
  }
  await follow(house, newsroom, 'kari@example.org')
  await sender.workAtOnce()
  expect(sender.inbox.received.map(({ to }) => to)).toEqual(['kari@example.org'])
  const { rows } = await database.pool.query(
    `select n.state, n.attempt, count(*)::int as notices from notices n join subscriptions s on s.id = n.subscription_id
       join subscribers b on b.id = s.subscriber_id where b.address like '%@silent.example' group by 1, 2 order by 1`,
  )
  expect(rows).toEqual([
    { state: 'claimed', attempt: 1, notices: 2 },
    { state: 'deferred', attempt: 0, notices: 6 },
  ])
  answer()
  await silent
})

test('a notice over whose end the mail host takes longer than a minute is in one pair of hands all the while', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { given: itAnswers, give: answer } = signal()
  sender.inbox.slow.set('silent.example', itAnswers)
  await follow(house, newsroom, 'kari@silent.example')
  const silent = sender.workAtOnce()
  /** Seconds until somebody else may take it. */
  const left = async () => {
    const { rows } = await database.pool.query<{ left: number }>(
      `select extract(epoch from next_at - now())::float8 as left from notices where state = 'claimed'`,
    )
    return rows[0]?.left ?? Number.NaN
  }
  await until('it is claimed', async () => (await left()) > 0)
  await database.pool.query(`update notices set next_at = now() + interval '40 seconds'`)
  vi.advanceTimersByTime(20_000)
  await until('it is claimed for another minute', async () => (await left()) > 50)
  answer()
  await silent
  const { rows } = await database.pool.query('select state, attempt, fence from notices')
  expect(rows).toEqual([{ state: 'sent', attempt: 1, fence: '1' }])
})

describe('a worker has claimed a notice, and the mail host opens no connection;', () => {
  let host: ScriptedHost
  let waiting: NoticeSender
  let open: () => void

  beforeEach(async () => {
    const { given: opens, give } = signal()
    open = give
    host = await playHost(async (wire) => {
      await opens
      await welcome(wire)
      await takeLetters(wire)
    })
    waiting = await openNoticeSender(database.pool, { smtpUrl: host.url })
    return async () => {
      await waiting.close()
      await host.close()
    }
  })

  const begun = () => host.heard.flat().filter((line) => line.startsWith('MAIL FROM'))

  test.for(Object.keys(acts) as (keyof typeof acts)[])(
    'once %s has been answered, the notice does not begin when it opens one',
    async (what) => {
      const act = await acts[what]()
      const work = waiting.workAtOnce()
      await until('it is claimed', isClaimed)
      // Only then is it in the way: prepared slowly, it is claimed anew before it asks for one.
      await until('it waits for a connection', () => host.heard.length > 0)
      expect((await act()).statusCode).toBe(200)
      open()
      await work
      await until('a connection is open', () => host.heard.flat().length > 0)
      expect(begun()).toEqual([])
      const { rows } = await database.pool.query('select state from notices')
      expect(rows).toEqual([{ state: 'suppressed' }])
    },
  )

  test('it is claimed anew about once a second, leaves as soon as there is one, and no try is counted', async () => {
    await follow(house, newsroom, 'kari@example.org')
    const began = performance.now()
    const work = waiting.workAtOnce()
    await until('two claims have grown too old', async () => {
      const { rowCount } = await database.pool.query(`select from notices where state = 'claimed' and fence >= 3`)
      return rowCount === 1
    })
    // A machine that is slow only makes it longer.
    expect(performance.now() - began).toBeGreaterThan(1_300)
    open()
    await work
    expect(begun()).toHaveLength(1)
    const { rows } = await database.pool.query('select state, attempt from notices')
    expect(rows).toEqual([{ state: 'sent', attempt: 1 }])
  })
})

test('what is answered while a worker is about to claim a notice is seen by that claim', async () => {
  const act = await acts['“erase everything”']()
  const holder = await database.pool.connect()
  await holder.query('begin')
  await holder.query('select from notices for update')
  const work = sender.workAtOnce()
  await until('the claim waits for the row', async () => {
    const { rowCount } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === 1
  })
  expect((await act()).statusCode).toBe(200)
  await holder.query('rollback')
  holder.release()
  await work
  expect(sender.inbox.read).toEqual([])
  const { rows } = await database.pool.query('select state from notices')
  expect(rows).toEqual([{ state: 'suppressed' }])
})

async function isClaimed(): Promise<boolean> {
  const { rowCount } = await database.pool.query(`select from notices where state = 'claimed'`)
  return rowCount === 1
}
