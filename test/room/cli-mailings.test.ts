import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenChunk, givenDelivery, givenMailing, givenNewsroom, givenReader } from '../rig/ops-given.ts'
import { type } from './cli-rig.ts'

let postgres: TestDatabase
let newsroomId: string
let id: string

beforeAll(async () => {
  postgres = await openTestDatabase()
})
afterAll(() => postgres.close())

/** A mailing to three readers: two letters were sent, one is in doubt. */
beforeEach(async () => {
  const { pool } = postgres
  await pool.query('truncate newsrooms, releases, revisions, mailings, chunks, deliveries restart identity cascade')
  await pool.query('truncate subscribers, subscriptions restart identity cascade')
  newsroomId = await givenNewsroom(pool, 'havna', 'Havna kommune')
  const at = new Date(Date.now() - 60_000)
  id = await givenMailing(pool, { newsroomId, title: 'Brygga åpner', state: 'sending', at })
  const subscriptionId = await givenReader(pool, newsroomId, 'ada@example.com')
  await givenChunk(pool, { mailingId: id, n: 0, from: 0n, size: 3, state: 'done', nextAt: at, sent: 2, inDoubt: 1 })
  await givenDelivery(pool, { mailingId: id, subscriptionId, state: 'in_doubt', at })
})

const run = (line: string) => type(line.split(' '), { env: { DATABASE_URL: postgres.url } })
const stateOf = async () =>
  (await run(`mailing show ${id} --json`)).json() as { state: string; paused: boolean; totals: Record<string, number> }

describe('mailings at the terminal', () => {
  test('are listed, newest first, and can be narrowed to a newsroom or a state', async () => {
    await givenMailing(postgres.pool, {
      newsroomId,
      title: 'Ferdig',
      state: 'done',
      at: new Date(),
      doneAt: new Date(),
    })
    expect((await run('mailing list')).out).toMatch(/Ferdig\n.*havna +sending +3 +2 +0 +1 +Brygga åpner/)
    expect((await run('mailing list --state live --newsroom havna --json')).json()).toMatchObject([{ id }])
    expect(await run('mailing list --newsroom hanva')).toMatchObject({
      exit: 1,
      err: expect.stringContaining('havna?'),
    })
    expect(await run('mailing list --state sent')).toMatchObject({ exit: 2, err: expect.stringContaining('sending') })
    expect(await run('mailing list --limit 0')).toMatchObject({ exit: 2 })
  })

  test('are shown from near, with what waits to be settled', async () => {
    const { out } = await run(`mailing show ${id}`)
    for (const line of [/State +sending: Cut whole/, /Sent +2/, /In doubt +1/, /1 letter waits for you to settle/])
      expect(out).toMatch(line)
    expect(await run('mailing show 4711')).toMatchObject({ exit: 1, err: expect.stringContaining('no mailing 4711') })
    expect(await run('mailing show first')).toMatchObject({ exit: 2, err: expect.stringContaining('mailing list') })
  })

  test('are paused and resumed', async () => {
    expect((await run(`mailing pause ${id}`)).out).toContain(`pressebud mailing resume ${id}`)
    expect((await run('mailing list')).out).toContain('sending, paused')
    expect((await run('mailing list --state paused --json')).json()).toMatchObject([{ id }])
    expect((await run(`mailing resume ${id} --json`)).json()).toMatchObject({ id, paused: false })
    expect((await run('mailing list --state paused --json')).json()).toEqual([])
  })

  test('are not said to be paused or resumed where nothing has changed', async () => {
    const told = async (line: string) => {
      const { exit, out, err } = await run(line)
      expect([line, exit, out]).toEqual([line, 1, ''])
      return err
    }
    expect(await told(`mailing resume ${id}`)).toContain(`Mailing ${id} is not paused; nothing was changed.`)
    await run(`mailing pause ${id}`)
    expect(await told(`mailing pause ${id}`)).toContain(`Mailing ${id} is paused already; nothing was changed.`)
    await postgres.pool.query(`update mailings set state = 'failed', paused = false where id = $1`, [id])
    expect(await told(`mailing resume ${id}`)).toContain(`Mailing ${id} is not paused; nothing was changed.`)
  })

  test('that were given up may be paused, for the digests; resuming them sets nothing going', async () => {
    await postgres.pool.query(`update mailings set state = 'failed' where id = $1`, [id])
    expect((await run(`mailing pause ${id}`)).out).toContain('It was given up, so nothing of it leaves anyhow')
    expect(await stateOf()).toMatchObject({ state: 'failed', paused: true })
    const { out } = await run(`mailing resume ${id}`)
    expect(out).toContain(`It was given up: nothing of it leaves before pressebud mailing try-again ${id}`)
    expect(out).not.toContain('goes on')
    expect(await stateOf()).toMatchObject({ state: 'failed', paused: false })
  })

  test('are cancelled only by somebody who means it, and once', async () => {
    const asked = await run(`mailing cancel ${id}`)
    expect(asked).toMatchObject({ exit: 2, err: expect.stringContaining('2 letters have left') })
    expect((await stateOf()).state).toBe('sending')
    expect((await run(`mailing cancel ${id} --yes`)).exit).toBe(0)
    expect(await run(`mailing cancel ${id} --yes`)).toMatchObject({
      exit: 1,
      err: expect.stringContaining('over already (cancelled)'),
    })
    expect(await run(`mailing pause ${id}`)).toMatchObject({ exit: 1 })
  })
})

describe('a mailing whose letters cannot be prepared', () => {
  const inTrouble = (state: string, nextAt: string | null) =>
    postgres.pool.query(
      `update mailings set state = $2, trouble = 'No such \u001b[31mtemplate', trouble_since = '2026-06-01T12:00:00Z', tries = 5,
              next_try_at = $3 where id = $1`,
      [id, state, nextAt],
    )

  test('is told with its reason, and set going again', async () => {
    await inTrouble('failed', null)
    expect((await run('mailing list --state failed')).out).toMatch(/havna +failed +3/)
    expect((await run('mailing list --state live --json')).json()).toMatchObject([{ id }])
    const { out } = await run(`mailing show ${id}`)
    for (const line of [/State +failed: Given up/, /Why +No such/, /Tried +5 times since 2026-06-01 12:00 UTC/])
      expect(out).toMatch(line)
    expect(out).toContain(`pressebud mailing try-again ${id}`)
    expect(out).not.toContain('\u001b[31m')
    expect((await run(`mailing show ${id} --json`)).json()).toMatchObject({
      state: 'failed',
      trouble: { tries: 5, nextAt: null, since: '2026-06-01T12:00:00.000Z' },
    })
    expect((await run(`mailing try-again ${id}`)).out).toContain('is set going')
    expect((await run(`mailing show ${id} --json`)).json()).toMatchObject({ state: 'accepted', trouble: null })
    expect(await run(`mailing try-again ${id}`)).toMatchObject({
      exit: 1,
      err: expect.stringContaining('nothing was changed'),
    })
  })

  test('is not set going while a worker tries it', async () => {
    await inTrouble('accepted', null)
    await postgres.pool.query(`update mailings set try_until = now() + interval '1 minute' where id = $1`, [id])
    expect(await run(`mailing try-again ${id}`)).toMatchObject({
      exit: 1,
      err: expect.stringContaining('is being tried at this moment: nothing was changed'),
    })
  })

  test('is told while it still tries, with the hour of the next try', async () => {
    await inTrouble('accepted', '2026-06-01T12:10:00Z')
    expect((await run('mailing list')).out).toContain('accepted, in trouble')
    expect((await run(`mailing show ${id}`)).out).toMatch(/Next try +2026-06-01 12:10:00 UTC/)
    expect((await run(`mailing try-again ${id} --json`)).json()).toMatchObject({ state: 'accepted', trouble: null })
  })
})

describe('letters in doubt', () => {
  test('are sent again when the operator says so', async () => {
    expect((await run(`mailing settle ${id} --as again`)).out).toContain('1 letter is due again')
    expect((await stateOf()).totals).toMatchObject({ sent: 2, inDoubt: 0 })
    expect((await run(`mailing settle ${id} --as again`)).out).toContain('No letter')
  })

  test('are counted as sent when the operator says so', async () => {
    expect((await run(`mailing settle ${id} --as sent --json`)).json()).toEqual({ letters: 1, left: 0 })
    expect((await stateOf()).totals).toMatchObject({ sent: 3, inDoubt: 0 })
  })

  test('are not settled by halves: the operator says how, and a cancelled mailing sends nothing', async () => {
    expect(await run(`mailing settle ${id}`)).toMatchObject({ exit: 2, err: expect.stringContaining('--as') })
    await run(`mailing cancel ${id} --yes`)
    expect(await run(`mailing settle ${id} --as again`)).toMatchObject({
      exit: 1,
      err: expect.stringContaining('--as sent'),
    })
    expect((await stateOf()).totals).toMatchObject({ sent: 2, inDoubt: 1 })
  })

  test('in the hands of a worker are told, and left for the next try', async () => {
    await postgres.pool.query(`update chunks set lease_until = now() + interval '8 seconds'`)
    expect(await run(`mailing settle ${id} --as again`)).toMatchObject({
      exit: 1,
      err: expect.stringContaining('again in a second'),
    })
  })
})
