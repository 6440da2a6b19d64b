import { setImmediate, setTimeout } from 'node:timers/promises'
import { beforeEach, expect, test, vi } from 'vitest'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import { chunkLease, claimValidity, type HeldChunk } from '../../shared/delivery/delivery.ts'
import { openLog } from '../../shared/log/log.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { openHeldLeases } from '../../workers/mailer/held-leases.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openNoticeSender } from '../rig/notice-sender.ts'
import { follow, readerHouse } from '../rig/reader-house.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { answeringLate } from '../rig/watch-statements.ts'

/*
 * What a claim or a lease allows, it allows from when it was asked for: an answer may be long on its way, or read late by a process that
 * was frozen, and who asked whether a letter may still begin has been told meanwhile that none may.
 */
let database: TestDatabase
let newsroom: Newsroom

beforeEach(async () => {
  database = await openTestDatabase()
  newsroom = await givenNewsroom(database.pool)
  return () => database.close()
})

/** All claims have run out, and everybody has left. */
async function allLeave(): Promise<void> {
  await setTimeout(claimValidity + 20)
  await database.pool.query(`update subscriptions set state = 'ended', ended_at = now()`)
}

test.each([
  ['written down', /insert into deliveries/],
  ['claimed', /update deliveries d\s+set state = o.state/],
])(
  'no letter begins where the answer that it is %s came late, and its reader has left since',
  async (how, statement) => {
    const inbox = await openRecordingInbox()
    const engine = openEngine(database.pool, inbox.url)
    await givenReaders(database.pool, newsroom, 3)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await database.pool.query('update mailings set cut_from = 0, cut_after = 0')
    await cutAudience(engine.fanOut, mailingId)
    if (how === 'claimed') {
      const { chunk } = (await leaseChunk(database.pool, { mailingId, n: 0 }, null))!
      await writeDeliveries(database.pool, chunk, { most: 0, window: 3_600 })
      await closeChunk(database.pool, chunk, 0)
    }
    const pool = answeringLate(database.pool, statement, allLeave)
    await sendChunk({ ...engine.mailer, pool }, { mailingId, chunk: 0 })
    const states = async () => (await database.pool.query('select state, attempt from deliveries')).rows
    expect(await states()).toEqual(Array(3).fill({ state: 'due', attempt: 0 }))
    // It rests, and whoever watches is to know of it.
    const { rows } = await database.pool.query(
      'select next_at > now() as rests, vain_since is not null as vain from chunks',
    )
    expect(rows).toEqual([{ rests: true, vain: true }])
    await database.pool.query('update chunks set next_at = now()')
    await sendChunk(engine.mailer, { mailingId, chunk: 0 })
    expect(await states()).toEqual(Array(3).fill({ state: 'opted_out', attempt: 0 }))
    expect(inbox.received).toEqual([])
    await engine.close()
    await inbox.close()
  },
)

test('no notice begins where the answer that it is claimed came late, and its reader has left since', async () => {
  const house = await readerHouse(database.pool)
  await follow(house, newsroom, 'kari@example.org')
  const sender = await openNoticeSender(answeringLate(database.pool, /select n\.id, n\.kind, n\.attempt/, allLeave))
  await sender.workAtOnce()
  expect(sender.inbox.received).toEqual([])
  expect((await database.pool.query('select state from notices')).rows).toEqual([{ state: 'suppressed' }])
  await sender.close()
  await house.app.close()
})

test('a lease is renewed from when that was asked for, however late the answer is read', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval'] })
  try {
    const answers: ((answer: object) => void)[] = []
    const query = () => new Promise((resolve) => void answers.push(resolve))
    const leases = openHeldLeases({ query } as unknown as Pool, openLog('test', 'silent'))
    const chunk = { mailingId: '1', n: 0, fence: '1' } as HeldChunk
    const lease = leases.hold(chunk, performance.now())
    vi.advanceTimersByTime(lasts / 4)
    const asked = answers.length - 1
    vi.advanceTimersByTime(lasts / 2)
    answers[asked]!({ rows: [{ renewed: ['1 0 1'], hour: 0 }] })
    await setImmediate()
    vi.advanceTimersByTime(lasts / 2 - 1)
    expect(lease.runs()).toBe(true)
    vi.advanceTimersByTime(1)
    expect(lease.runs()).toBe(false)
    leases.close()
  } finally {
    vi.useRealTimers()
  }
})

const lasts = chunkLease * 1_000
