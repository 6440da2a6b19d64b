import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { settleDoubts } from '../../shared/delivery/settle-doubt.sql.ts'
import { cancelMailing, finishMailings } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { findMailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { asForm, type Desk, here, openDesk } from '../rig/ops-desk.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { scriptedTransport } from '../rig/scripted-transport.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let readers: Reader[]
let mailingId: MailingId

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

/** A mailing of three chunks and 25 readers; the mail host took ten letters whole and hung up before its reply. */
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 10, doubt: 'hold' })
  newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 25)
  mailingId = (await givenMailing(database.pool, newsroom)).mailingId
  let asked = 0
  const hangingUp = openEngine(database.pool, inbox.url, {
    chunkSize: 10,
    doubt: 'hold',
    transport: scriptedTransport((letter) => {
      asked += 1
      return asked > 10
        ? engine.mailer.transport.send(letter)
        : Promise.resolve({ kind: 'in-doubt', detail: 'connection lost' })
    }, engine.mailer.transport.close),
  })
  await hangingUp.send(mailingId)
  return async () => {
    await hangingUp.close()
    await engine.close()
    await inbox.close()
  }
})

const progress = async () => (await findMailingProgress(database.pool, mailingId))!
const figures = async () => {
  const { state, totals } = await progress()
  return {
    state,
    sent: totals.sent,
    inDoubt: totals.inDoubt,
    optedOut: totals.optedOut,
    letters: inbox.received.length,
  }
}
const settle = (as: 'again' | 'sent') => settleDoubts(database.pool, mailingId, as)

describe('letters held in doubt', () => {
  test('are held when everything else is done', async () => {
    expect(await figures()).toEqual({ state: 'done', sent: 15, inDoubt: 10, optedOut: 0, letters: 15 })
  })

  test('are sent again to exactly the readers in doubt, and to none who left meanwhile', async () => {
    const { rows } = await database.pool.query<{ subscription_id: string }>(
      `select subscription_id from deliveries where mailing_id = $1 and state = 'in_doubt' limit 1`,
      [mailingId],
    )
    await database.pool.query(`update subscriptions set state = 'ended', ended_at = now() where id = $1`, [
      rows[0]!.subscription_id,
    ])
    expect(await settle('again')).toEqual({ letters: 10, left: 0 })
    expect(await figures()).toMatchObject({ state: 'sending', sent: 15, inDoubt: 0 })
    await engine.reconcileAndSend()
    expect(await figures()).toEqual({ state: 'done', sent: 24, inDoubt: 0, optedOut: 1, letters: 24 })
    const left = readers.find((reader) => reader.subscriptionId === rows[0]!.subscription_id)!
    expect(inbox.received.map(({ to }) => to).toSorted()).toEqual(
      readers.flatMap(({ address }) => (address === left.address ? [] : [address])).toSorted(),
    )
  })

  test('are counted as sent without sending', async () => {
    expect(await settle('sent')).toEqual({ letters: 10, left: 0 })
    await engine.reconcileAndSend()
    expect(await figures()).toEqual({ state: 'done', sent: 25, inDoubt: 0, optedOut: 0, letters: 15 })
  })

  test('are settled once, however often and by however many operators at once', async () => {
    const settled = await Promise.all([settle('again'), settle('sent'), settle('again'), settle('sent')])
    expect(settled.reduce((sum, one) => sum + (typeof one === 'string' ? 0 : one.letters), 0)).toBe(10)
    await engine.reconcileAndSend()
    expect(await figures()).toMatchObject({ state: 'done', sent: 25, inDoubt: 0 })
    expect(await settle('again')).toEqual({ letters: 0, left: 0 })
    expect(await progress()).toMatchObject({ state: 'done' })
  })

  test('of a chunk a worker has in hand wait until it is let go', async () => {
    await database.pool.query(
      `update chunks set lease_until = now() + interval '8 seconds'
        where (mailing_id, n) = (select mailing_id, n from chunks where mailing_id = $1 and in_doubt > 0 order by n limit 1)`,
      [mailingId],
    )
    const first = await settle('again')
    expect(first).toMatchObject({ left: expect.any(Number) })
    const { letters, left } = first as { letters: number; left: number }
    expect([letters + left, left > 0]).toEqual([10, true])
    await database.pool.query('update chunks set lease_until = null where mailing_id = $1', [mailingId])
    expect(await settle('again')).toEqual({ letters: left, left: 0 })
  })

  test('get their time to be tried again, however long ago the mailing began', async () => {
    await database.pool.query(`update mailings set started_at = now() - interval '5 days'`)
    await settle('again')
    // Also where little time is given.
    const hasty = openEngine(database.pool, inbox.url, { curve: { firstWait: 10, window: 1_800 } })
    await hasty.reconcileAndSend()
    await hasty.close()
    expect(await figures()).toMatchObject({ state: 'done', sent: 25 })
    const { rows } = await database.pool.query(`select started_at < now() - interval '4 days' as old from mailings`)
    expect(rows).toEqual([{ old: true }])
  })

  test('are kept where the window closes before they could be sent again; what was refused last has failed', async () => {
    await settle('again')
    const refused = `(select max(subscription_id) from attempts where mailing_id = $1)`
    await database.pool.query(
      `update attempts set verdict = 'deferred' where mailing_id = $1 and subscription_id = ${refused}`,
      [mailingId],
    )
    await database.pool.query(`update mailings set window_from = now() - interval '5 days'`)
    await engine.reconcileAndSend()
    expect(await figures()).toMatchObject({ state: 'done', sent: 15, inDoubt: 9, letters: 15 })
    expect((await progress()).totals).toMatchObject({ failed: 1 })
    // Kept, they can be settled like any other.
    expect(await settle('sent')).toEqual({ letters: 9, left: 0 })
    expect(await figures()).toMatchObject({ sent: 24, inDoubt: 0 })
  })

  test('of a cancelled mailing, or of a text amended since, are not sent again but can be counted', async () => {
    await database.pool.query('update releases set revision = 2')
    expect(await settle('again')).toBe('over')
    await database.pool.query('update releases set revision = 1')
    await database.pool.query(`update mailings set state = 'sending'`)
    await cancelMailing(database.pool, mailingId)
    expect(await settle('again')).toBe('over')
    expect(await settle('sent')).toEqual({ letters: 10, left: 0 })
    expect(await settleDoubts(database.pool, '4711' as MailingId, 'sent')).toBe('unknown')
  })

  test('are not overlooked by an ending that began while they were being settled', async () => {
    await database.pool.query(`update mailings set state = 'sending', done_at = null`)
    const waiting = async () =>
      (
        await database.pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
      ).rowCount
    const [settling, ending] = await inTransaction(database.pool, async (tx) => {
      await tx.query('select from mailings where id = $1 for no key update', [mailingId])
      const settling = settle('again')
      await expect.poll(waiting).toBe(1)
      // It has looked at the chunks, all of them done, and stands behind the settling for the mailing's row.
      const ending = finishMailings(database.pool, mailingId)
      await expect.poll(waiting).toBe(2)
      return [settling, ending] as const
    }).then(async (both) => Promise.all(both))
    expect(settling).toEqual({ letters: 10, left: 0 })
    expect(ending).toBe(0)
    await engine.reconcileAndSend()
    expect(await figures()).toMatchObject({ state: 'done', sent: 25 })
  })
})

describe('the desk', () => {
  let desk: Desk
  let cookie: string
  const get = (path: string) =>
    desk.app.inject({ url: `/mailings/${mailingId}${path}`, headers: { cookie, accept: 'text/html' } })
  const press = (path: string) =>
    desk.app.inject({
      method: 'POST',
      url: `/mailings/${mailingId}${path}`,
      headers: { ...here, ...asForm, cookie, accept: 'text/html' },
    })

  beforeEach(async () => {
    const actions = {
      pause: never,
      resume: never,
      cancel: never,
      tryAgain: never,
      settle: (_id: string, as: 'again' | 'sent') => settle(as),
    }
    desk = await openDesk(database.pool, { actions })
    cookie = await desk.login()
    return () => desk.app.close()
  })

  test('asks once more, sends them again at the press of a button, and says so', async () => {
    expect((await get('')).body).toContain('Send them again…')
    const asked = await get('/doubts/again')
    expect(asked.body).toContain('<b>10</b> letters are in doubt')
    expect(asked.body).toContain('This cannot be undone.')
    expect(await figures()).toMatchObject({ inDoubt: 10 })
    expect((await press('/doubts/again')).headers.location).toBe(`/mailings/${mailingId}`)
    await engine.reconcileAndSend()
    expect(await figures()).toMatchObject({ state: 'done', sent: 25, letters: 25 })
    const twice = await press('/doubts/again')
    expect([twice.statusCode, twice.body.includes('Nothing was changed: no letter is in doubt.')]).toEqual([409, true])
    expect((await get('/doubts/sent')).headers.location).toBe(`/mailings/${mailingId}`)
  })

  test('counts them as sent, and offers nothing else where the mailing was cancelled', async () => {
    await database.pool.query(`update mailings set state = 'cancelled'`)
    expect((await get('')).body).not.toContain('Send them again…')
    const refused = await press('/doubts/again')
    expect([refused.statusCode, refused.body.includes('it sends nothing')]).toEqual([409, true])
    expect((await press('/doubts/sent')).statusCode).toBe(303)
    expect(await figures()).toMatchObject({ state: 'cancelled', sent: 25, inDoubt: 0, letters: 15 })
  })
})

const never = () => Promise.reject(new Error('nobody asked for this'))
