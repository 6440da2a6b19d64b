import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { closeChunk, leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import { claimDeliveries, writeDeliveries } from '../../shared/delivery/delivery.sql.ts'
import type { HeldChunk } from '../../shared/delivery/delivery.ts'
import { putBackClaims, recordAttempts, unheardClaims } from '../../shared/delivery/record-attempts.sql.ts'
import {
  cancelMailing,
  finishMailings,
  liftDueEmbargoes,
  setPaused,
  supersedeMailings,
} from '../../shared/mailing/mailing.sql.ts'
import { beginTry } from '../../shared/mailing/tries.sql.ts'
import { holdDigestLine } from '../../shared/postgres/advisory-lock.ts'
import { isKeptByAnother } from '../../shared/postgres/database-away.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { changeFrequency } from '../../shared/subscription/change-frequency.sql.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenPace } from '../given/pace.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

/*
 * A statement that has to wait for a row goes on with the row as it is then, and with everything else as it was when it began
 * (READ COMMITTED). These wait where that could lose a reader or a count, or keep somebody waiting for ever.
 */
let database: TestDatabase
let readers: Reader[]
let chunk: HeldChunk
const claim = { most: 10, window: 3_600 }
const running = { rate: 100, heldUntil: 0, holds: 0 }

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  const engine = openEngine(database.pool, 'smtp://127.0.0.1:9')
  const newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 3)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  // The whole circle is one chunk.
  await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailingId])
  await cutAudience(engine.fanOut, mailingId)
  chunk = (await leaseChunk(database.pool, { mailingId, n: 0 }, null))!.chunk
  await engine.close()
})

const somebodyWaits = (how = 1) =>
  until('a statement waits for a lock', async () => {
    const { rowCount } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === how
  })

/** What the desk would tell of the chunk. */
const totals = async () => {
  const { rows } = await database.pool.query<{ state: string; sent: number; in_doubt: number }>(
    'select state, sent, in_doubt from chunks where mailing_id = $1',
    [chunk.mailingId],
  )
  return rows[0]
}

/** Somebody else has the chunk from now on. */
async function loseLease(): Promise<HeldChunk> {
  await database.pool.query(`update chunks set lease_until = null where mailing_id = $1`, [chunk.mailingId])
  return (await leaseChunk(database.pool, chunk, null))!.chunk
}

test('a chunk given back while its letters are still being written is not done: they are all sent', async () => {
  let closing: ReturnType<typeof closeChunk> | undefined
  await inTransaction(database.pool, async (tx) => {
    await writeDeliveries(tx, chunk, { ...claim, most: 0 })
    closing = closeChunk(database.pool, chunk, 0)
    await somebodyWaits()
  })
  expect(await closing).toMatchObject({ state: 'open' })
  const again = await leaseChunk(database.pool, chunk, null)
  expect((await claimDeliveries(database.pool, again!.chunk, claim)).letters).toHaveLength(3)
})

test('whose address is changed while their letter is being written down gets it, at the new one', async () => {
  const [moving] = readers
  let writing: ReturnType<typeof writeDeliveries> | undefined
  await database.pool.query(
    `insert into subscribers (address, address_key, address_hash, created_at)
     values ('new@readers.example', 'new@readers.example', sha256('new'), now())`,
  )
  await inTransaction(database.pool, async (tx) => {
    await tx.query(
      `update subscriptions set subscriber_id = (select id from subscribers where address = 'new@readers.example') where id = $1`,
      [moving!.subscriptionId],
    )
    writing = writeDeliveries(database.pool, chunk, claim)
    await somebodyWaits()
  })
  const told = (await writing!).letters.map(({ address }) => address).toSorted()
  expect(told).toEqual(['new@readers.example', 'reader2@readers.example', 'reader3@readers.example'])
})

test.each([
  ['written down', writeDeliveries],
  ['claimed', claimDeliveries],
])('who is leaving while their letter is %s is waited for, and gets none', async (_, take) => {
  if (take === claimDeliveries) await writeDeliveries(database.pool, chunk, { ...claim, most: 0 })
  const [leaving, ...others] = readers
  let taking: ReturnType<typeof take> | undefined
  await inTransaction(database.pool, async (tx) => {
    // As an opt-out does: no key is touched, so a lock that only keeps keys would not wait for it.
    await tx.query(`update subscriptions set state = 'ended', ended_at = now() where id = $1`, [
      leaving!.subscriptionId,
    ])
    taking = take(database.pool, chunk, claim)
    await somebodyWaits()
  })
  const told = (await taking!).letters.map(({ address }) => address)
  expect(told.toSorted()).toEqual(others.map(({ address }) => address).toSorted())
})

test.each([
  ['written down', writeDeliveries],
  ['claimed', claimDeliveries],
])('a mailing that is being stopped while its letters are %s is waited for, and has none', async (_, take) => {
  if (take === claimDeliveries) await writeDeliveries(database.pool, chunk, { ...claim, most: 0 })
  let taking: ReturnType<typeof take> | undefined
  await inTransaction(database.pool, async (tx) => {
    await tx.query(`update mailings set state = 'cancelled', done_at = now() where id = $1`, [chunk.mailingId])
    taking = take(database.pool, chunk, claim)
    await somebodyWaits()
  })
  expect((await taking!).letters).toEqual([])
})

test.each([
  ['a pause', () => setPaused(database.pool, chunk.mailingId, true)],
  ['a cancelling', () => cancelMailing(database.pool, chunk.mailingId)],
  [
    'a correction',
    async () => {
      const { rows } = await database.pool.query('select release_id from mailings where id = $1', [chunk.mailingId])
      return inTransaction(database.pool, (tx) => supersedeMailings(tx, rows[0].release_id))
    },
  ],
])('%s waits for the claims that had begun, and not for those that begin after it', async (_, stop) => {
  await writeDeliveries(database.pool, chunk, { ...claim, most: 0 })
  let stopping: ReturnType<typeof stop> | undefined
  let later: ReturnType<typeof claimDeliveries> | undefined
  await inTransaction(database.pool, async (tx) => {
    expect((await claimDeliveries(tx, chunk, { ...claim, most: 1 })).letters).toHaveLength(1)
    stopping = stop()
    await somebodyWaits()
    later = claimDeliveries(database.pool, chunk, claim)
    await somebodyWaits(2)
  })
  await stopping
  expect((await later)?.letters).toEqual([])
})

test('a mailing whose row somebody keeps is ended in a later round, and keeps no other from being', async () => {
  const other = await givenNewsroom(database.pool)
  const both = [chunk.mailingId, (await givenMailing(database.pool, other)).mailingId]
  await database.pool.query(`update mailings set state = 'sending'`)
  await database.pool.query(`update chunks set state = 'done'`)
  const ended = async () => {
    const { rows } = await database.pool.query(`select id from mailings where state = 'done' order by id`)
    return rows.map(({ id }) => id)
  }
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from mailings where id = $1 for update', [both[0]])
    expect(await finishMailings(database.pool, null)).toBe(1)
    expect(await ended()).toEqual([both[1]])
  })
  expect(await finishMailings(database.pool, null)).toBe(1)
  expect(await ended()).toEqual(both)
})

test('a chunk of a correction is written though a reader in it turns to a pause meanwhile: who has the release is asked then', async () => {
  const { pool } = database
  await pool.query(`update mailings set kind = 'correction'`)
  const [first, ...others] = readers
  let writing: ReturnType<typeof writeDeliveries> | undefined
  await inTransaction(pool, async (tx) => {
    await tx.query(`update subscriptions set paused_until = now() + interval '1 day' where id = $1`, [
      first!.subscriptionId,
    ])
    writing = writeDeliveries(pool, chunk, claim)
    await somebodyWaits()
  })
  const { letters } = await writing!
  expect(letters.map(({ address }) => address)).toEqual(others.map(({ address }) => address))
})

test('a statement that was given up and arrives late records nothing of a letter that its turn has claimed again', async () => {
  const { letters, claimedAt } = await writeDeliveries(database.pool, chunk, claim)
  const putBack = letters.map(({ subscriptionId }) => {
    return { subscriptionId, state: 'due', wait: null, reply: null, trouble: null, begun: false } as const
  })
  await recordAttempts(database.pool, chunk, putBack, claimedAt)
  const again = await claimDeliveries(database.pool, chunk, { ...claim, most: 2 })
  expect(again.letters).toEqual(letters.slice(0, 2))
  await recordAttempts(database.pool, chunk, putBack, claimedAt)
  const states = async () => {
    const { rows } = await database.pool.query('select state from deliveries order by subscription_id')
    return rows.map(({ state }) => state)
  }
  expect(await states()).toEqual(['claimed', 'claimed', 'due'])
  await recordAttempts(database.pool, chunk, putBack.slice(0, 2), again.claimedAt)
  expect(await states()).toEqual(['due', 'due', 'due'])
})

test('what puts back a claim whose answer was lost, and arrives late, puts back no later one', async () => {
  await writeDeliveries(database.pool, chunk, { ...claim, most: 0 })
  const heard = (await claimDeliveries(database.pool, chunk, { ...claim, most: 1 })).claimedAt!
  const lost = (await claimDeliveries(database.pool, chunk, { ...claim, most: 1 })).claimedAt!
  const unheard = await unheardClaims(database.pool, chunk, [heard])
  expect(unheard).toEqual([lost])
  const states = async () => {
    const { rows } = await database.pool.query('select state, attempt from deliveries order by subscription_id')
    return rows.map(({ state, attempt }) => `${state} ${attempt}`)
  }
  await putBackClaims(database.pool, chunk, unheard)
  expect(await states()).toEqual(['claimed 1', 'due 0', 'due 0'])
  const again = (await claimDeliveries(database.pool, chunk, claim)).claimedAt!
  await putBackClaims(database.pool, chunk, unheard)
  expect(await states()).toEqual(['claimed 1', 'claimed 1', 'claimed 1'])
  expect(await unheardClaims(database.pool, chunk, [heard, again])).toEqual([])
  const after = await loseLease()
  await putBackClaims(database.pool, chunk, [again])
  await putBackClaims(database.pool, after, [again])
  expect(await states()).toEqual(['claimed 1', 'claimed 1', 'claimed 1'])
})

test('what was recorded by whom the chunk was taken from, before its letters were, is in the totals', async () => {
  const { letters, claimedAt } = await writeDeliveries(database.pool, chunk, claim)
  const [first, second, third] = letters
  await loseLease()
  const trouble = { verdict: 'in_doubt', phase: 'dot', code: null, enhanced: null, detail: 'The line broke.' } as const
  const of = (letter: typeof first) => ({ subscriptionId: letter!.subscriptionId, begun: true, wait: null })
  await recordAttempts(
    database.pool,
    chunk,
    [
      { ...of(first), state: 'sent', reply: '250 ok', trouble: null },
      { ...of(second), state: 'sent', reply: '250 ok', trouble: null },
      { ...of(third), state: 'in_doubt', reply: null, trouble },
    ],
    claimedAt,
  )
  expect(await totals()).toMatchObject({ sent: 2, in_doubt: 1 })
})

test('letters written down by whom the chunk was taken from, while it waited, are sent by who has it now', async () => {
  let writing: ReturnType<typeof writeDeliveries> | undefined
  let after: HeldChunk | undefined
  await inTransaction(database.pool, async (tx) => {
    await tx.query('update mailings set paused = paused where id = $1', [chunk.mailingId])
    writing = writeDeliveries(database.pool, chunk, claim)
    await somebodyWaits()
    after = await loseLease()
  })
  expect((await writing)?.letters).toEqual([])
  expect(await totals()).toMatchObject({ state: 'open' })
  expect((await claimDeliveries(database.pool, after!, claim)).letters).toHaveLength(3)
})

test('a claim that waits for its chunk’s row keeps no other claim from the paces', async () => {
  const now = Date.now()
  await givenPace(database.pool, 'slow.example', { ...running, reason: 'slow', detail: '', changedAt: now })
  for (const claimOf of [writeDeliveries, claimDeliveries]) {
    let waiting: ReturnType<typeof claimOf> | undefined
    await inTransaction(database.pool, async (tx) => {
      await tx.query('select from chunks where mailing_id = $1 for no key update', [chunk.mailingId])
      waiting = claimOf(database.pool, chunk, { ...claim, most: 1 })
      await somebodyWaits()
      const { rowCount } = await database.pool.query('select from paces for update nowait')
      expect(rowCount).toBe(1)
    })
    expect((await waiting)?.letters).toHaveLength(1)
  }
})

test.each(['mailing’s turn', 'reader’s row'])(
  'a claim gives way to who keeps a %s for longer than a second, with nothing claimed',
  async (what) => {
    for (const claimOf of [writeDeliveries, claimDeliveries]) {
      await inTransaction(database.pool, async (tx) => {
        if (what === 'reader’s row') await tx.query('select from subscriptions for update')
        else await tx.query('select wait_for_claims($1)', [chunk.mailingId])
        const given = await claimOf(database.pool, chunk, { ...claim, most: 1 }).catch((error: unknown) => error)
        expect(isKeptByAnother(given)).toBe(true)
      })
      const { rows } = await database.pool.query(`select from deliveries where state = 'claimed'`)
      expect(rows).toEqual([])
      expect((await claimOf(database.pool, chunk, { ...claim, most: 1 })).letters).toHaveLength(1)
      await database.pool.query(`update deliveries set state = 'sent' where state = 'claimed'`)
    }
  },
)

test('a chunk whose mailing somebody keeps is given back in good order, and has its turn seconds later', async () => {
  const inbox = await openRecordingInbox()
  const engine = openEngine(database.pool, inbox.url)
  await database.pool.query('update chunks set lease_until = null, vain_since = null')
  const job = { mailingId: chunk.mailingId, chunk: 0 }
  const before = (await database.pool.query<{ now: Date }>('select now() as now')).rows[0]!.now
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select wait_for_claims($1)', [chunk.mailingId])
    await sendChunk(engine.mailer, job)
  })
  const { rows } = await database.pool.query(
    `select state, lease_until as lease, vain_since is not null as vain, next_at >= $1::timestamptz + interval '2 seconds' as rests from chunks`,
    // A second until the claim is given up, and one for the rest.
    [before],
  )
  // And the desk can tell since when it is taken up in vain.
  expect(rows).toEqual([{ state: 'cut', lease: null, vain: true, rests: true }])
  // Nor does another chunk of the mailing take a turn meanwhile, though PostgreSQL does not say what was waited for.
  expect(engine.mailer.kept.isKept(chunk.mailingId)).toBe(true)
  await until('it is looked at again', () => !engine.mailer.kept.isKept(chunk.mailingId))
  await database.pool.query('update chunks set next_at = now()')
  await sendChunk(engine.mailer, job)
  expect(inbox.received).toHaveLength(3)
  await engine.close()
  await inbox.close()
})

test('a try at a mailing whose row somebody keeps is not begun, and waits for nobody', async () => {
  await database.pool.query(`update mailings set state = 'accepted'`)
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from mailings for update')
    expect(await beginTry(database.pool, chunk.mailingId, 3_600)).toBeNull()
  })
  expect(await beginTry(database.pool, chunk.mailingId, 3_600)).toMatchObject({ n: 1 })
})

test('embargoes are lifted at their hour, though somebody keeps the row of another', async () => {
  const newsroom = await givenNewsroom(database.pool)
  const [kept, other] = [await givenMailing(database.pool, newsroom), await givenMailing(database.pool, newsroom)]
  await database.pool.query(`update mailings set state = 'embargoed' where newsroom_id = $1`, [newsroom.id])
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from mailings where id = $1 for update', [kept.mailingId])
    expect(await liftDueEmbargoes(database.pool)).toEqual([other.mailingId])
  })
  expect(await liftDueEmbargoes(database.pool)).toEqual([kept.mailingId])
})

test('a claim that waited while its chunk was leased to somebody else leaves the letters to them', async () => {
  await writeDeliveries(database.pool, chunk, { ...claim, most: 0 })
  let waiting: ReturnType<typeof claimDeliveries> | undefined
  let after: HeldChunk | undefined
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from subscriptions where id = $1 for update', [readers[0]!.subscriptionId])
    waiting = claimDeliveries(database.pool, chunk, claim)
    await somebodyWaits()
    after = await loseLease()
  })
  expect((await waiting)?.letters).toEqual([])
  expect((await claimDeliveries(database.pool, after!, claim)).letters).toHaveLength(3)
})

test('a reader turns to digests though the line of another newsroom is in somebody’s hands', async () => {
  const elsewhere = await givenNewsroom(database.pool)
  await inTransaction(database.pool, async (held) => {
    await holdDigestLine(held, elsewhere.id)
    const change = inTransaction(database.pool, (tx) => changeFrequency(tx, readers[0]!.subscriptionId, 'daily'))
    expect(await change).toBe(true)
  })
})

test('while somebody keeps the row of a mailing, one of its chunks waits for it and the others take no turn; a reader’s row keeps none but its own', async () => {
  const inbox = await openRecordingInbox()
  const engine = openEngine(database.pool, inbox.url, { chunkSize: 1 })
  const other = await givenNewsroom(database.pool)
  const [reader] = await givenReaders(database.pool, other, 3)
  const { mailingId } = await givenMailing(database.pool, other)
  await cutAudience(engine.fanOut, mailingId)
  const fences = async () => {
    const { rows } = await database.pool.query<{ fence: number }>(
      'select fence::int from chunks where mailing_id = $1 order by n',
      [mailingId],
    )
    return rows.map(({ fence }) => fence)
  }
  const all = (await fences()).map((_, n) => ({ mailingId, chunk: n }))
  const workAll = async () => {
    for (const job of all) await sendChunk(engine.mailer, job)
    return (await fences()).filter((fence) => fence > 0).length
  }
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from subscriptions where id = $1 for update', [reader!.subscriptionId])
    expect(await workAll()).toBe(all.length)
  })
  expect(inbox.received).toHaveLength(2)
  await database.pool.query('update chunks set fence = 0, next_at = now()')
  await inTransaction(database.pool, async (tx) => {
    await tx.query('select from mailings where id = $1 for update', [mailingId])
    expect(await workAll()).toBe(1)
    expect(engine.mailer.kept.isKept(mailingId)).toBe(true)
  })
  await until('it is looked at again', () => !engine.mailer.kept.isKept(mailingId))
  await database.pool.query('update chunks set next_at = now()')
  await engine.reconcileAndSend()
  expect(inbox.received).toHaveLength(3)
  await engine.close()
  await inbox.close()
})
