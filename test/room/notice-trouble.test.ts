import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { signal } from '../rig/hand-over.ts'
import { type NoticeSender, openNoticeSender } from '../rig/notice-sender.ts'
import { follow, readerHouse } from '../rig/reader-house.ts'
import { until } from '../rig/until.ts'

let database: TestDatabase
let house: Awaited<ReturnType<typeof readerHouse>>
let sender: NoticeSender
let newsroom: Newsroom

beforeEach(async () => {
  database = await openTestDatabase()
  house = await readerHouse(database.pool)
  sender = await openNoticeSender(database.pool)
  newsroom = await givenNewsroom(database.pool)
})
afterEach(async () => {
  vi.useRealTimers()
  await sender.close()
  await house.app.close()
  await database.close()
})

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
