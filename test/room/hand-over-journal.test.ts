import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { leaseChunk } from '../../shared/delivery/chunk.sql.ts'
import type { Claimed } from '../../shared/delivery/delivery.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Payloads } from '../../shared/queues/queues.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { type HandOverJournals, openHandOverJournals } from '../../workers/mailer/hand-over-journal.ts'
import { settleAbandoned } from '../../workers/mailer/record-outcomes.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { scriptedTransport } from '../rig/scripted-transport.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
let inbox: RecordingInbox
let newsroom: Newsroom
let folder: string
let journals: HandOverJournals

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

beforeEach(async () => {
  await emptyTables(database.pool)
  folder = mkdtempSync(join(tmpdir(), 'pressebud-journal-'))
  journals = openHandOverJournals(folder, log)
  inbox = await openRecordingInbox()
  newsroom = await givenNewsroom(database.pool)
  return async () => {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
    await inbox.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

/**
 * A mail host that takes ten letters, and hangs: three after their dot, all others before theirs. `onAll`: all have been
 * given to it.
 */
function hangingHost(letters: number, onAll: () => void) {
  const taken: string[] = []
  let given = 0
  return {
    taken,
    transport: scriptedTransport((letter) => {
      const nth = given++
      if (given === letters) onAll()
      if (nth < 13) expect(letter.beforeDot?.()).toBe(true)
      if (nth >= 10) return new Promise(() => {})
      taken.push(letter.envelope.to)
      const reply = { code: 250, enhanced: '2.0.0', text: `taken as ${nth}` }
      return Promise.resolve({ kind: 'accepted', reply })
    }),
  }
}

/** A worker of which all but its journal, with `known` replies, is lost, with 30 letters in its hands. */
async function givenKilledWorker(known = 10): Promise<{ mailingId: MailingId; taken: readonly string[] }> {
  await givenReaders(database.pool, newsroom, 30)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  // The walk round the readers begins anywhere; here at the first, so that there is one chunk.
  await database.pool.query(`update mailings set cut_from = 0, cut_after = 0`)
  // From the moment its last letter has left it hears from the database no more.
  let isKilled = false
  const pool = new Proxy(database.pool, {
    get: (target, name) => {
      const found = Reflect.get(target, name)
      if (typeof found !== 'function') return found
      return (...args: unknown[]) => (isKilled ? new Promise(() => {}) : found.apply(target, args))
    },
  })
  const host = hangingHost(30, () => {
    isKilled = true
  })
  const dying = openEngine(database.pool, inbox.url, { chunkSize: 40, transport: host.transport, journals, pool })
  await cutAudience(dying.fanOut, mailingId)
  void sendChunk(
    { ...dying.mailer, windowSize: { now: () => 40, tell: () => {}, tellLate: () => {} } },
    { mailingId, chunk: 0 },
  )
  await expect.poll(() => host.taken.length).toBe(10)
  await expect.poll(() => journalText().match(/^\+/gm)?.length ?? 0).toBe(known)
  dying.mailer.leases.close()
  await database.pool.query(`update chunks set lease_until = null`)
  return { mailingId, taken: host.taken }
}

/** A disk with room for so many more lines of a journal: then it takes nothing, or the first half of each. Returns what clears it. */
function fillDisk(lines: number, takes: 'nothing' | 'half a line'): () => void {
  const write = fs.writeSync
  let asked = 0
  const full = vi.spyOn(fs, 'writeSync').mockImplementation((file, text, ...more) => {
    if (!/^[.+=]\d/.test(text) || ++asked <= lines) return write(file, text, ...more)
    if (takes === 'half a line') return write(file, text.slice(0, text.length / 2))
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  })
  syncBuiltinESMExports()
  return () => {
    full.mockRestore()
    syncBuiltinESMExports()
  }
}

/** From now on nothing can be removed, as where a disk that failed was made read-only. */
function holdFiles(): void {
  vi.spyOn(fs, 'rmSync').mockImplementation(() => {
    throw Object.assign(new Error('EROFS: read-only file system, unlink'), { code: 'EROFS' })
  })
  syncBuiltinESMExports()
}

const journalText = () =>
  readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('')

async function takeOver(doubt: 'resend' | 'hold' = 'resend'): Promise<void> {
  const engine = openEngine(database.pool, inbox.url, { chunkSize: 40, journals, doubt })
  await engine.reconcileAndSend()
  await engine.close()
}

async function totals() {
  const { rows } = await database.pool.query(
    `select sum(sent)::int as sent, sum(doubted)::int as doubted, max(state) as state from chunks`,
  )
  return rows[0]
}

test('after a kill only what was on the wire is in doubt: what was accepted is known, what never left is simply sent', async () => {
  const { mailingId, taken } = await givenKilledWorker()
  await takeOver()
  expect(await totals()).toEqual({ sent: 30, doubted: 3, state: 'done' })
  expect(inbox.received.map(({ to }) => to).filter((to) => taken.includes(to))).toEqual([])
  expect(inbox.received).toHaveLength(20)
  const { rows } = await database.pool.query(
    `select reply from deliveries where mailing_id = $1 and reply like '250 2.0.0 taken as%'`,
    [mailingId],
  )
  expect(rows).toHaveLength(10)
  // A letter that never left was no attempt; one in doubt was.
  const attempts = await database.pool.query(`select attempt, count(*)::int from deliveries group by 1 order by 1`)
  expect(attempts.rows).toEqual([
    { attempt: 1, count: 27 },
    { attempt: 2, count: 3 },
  ])
  expect(readdirSync(folder)).toEqual([])
})

test('letters that workers die over again and again are sent again at longer and longer distances', async () => {
  await givenKilledWorker()
  // As if a worker before had died over them, too, and neither had left a journal.
  await database.pool.query(`update deliveries set attempt = 2`)
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  await takeOver()
  const { rows } = await database.pool.query(
    `select state, attempt, count(*)::int, bool_and(until > now() + interval '250 seconds') as "waits"
       from deliveries group by 1, 2`,
  )
  expect(rows).toEqual([{ state: 'deferred', attempt: 2, count: 30, waits: true }])
  expect(inbox.received).toEqual([])
})

test('where doubts are held, what was on the wire at a kill waits for an operator, and is not sent again', async () => {
  const { mailingId, taken } = await givenKilledWorker()
  await takeOver('hold')
  expect(await totals()).toEqual({ sent: 27, doubted: 3, state: 'done' })
  const { rows } = await database.pool.query<{ address: string }>(
    `select b.address
       from deliveries d join subscriptions s on s.id = d.subscription_id join subscribers b on b.id = s.subscriber_id
      where d.mailing_id = $1 and d.state = 'in_doubt'`,
    [mailingId],
  )
  const held = rows.map(({ address }) => address)
  const sent = inbox.received.map(({ to }) => to)
  expect([held.length, sent.length, taken.length]).toEqual([3, 17, 10])
  // Each of the 30 is one of these, and none is two.
  expect(new Set([...held, ...sent, ...taken]).size).toBe(30)
})

test('a worker that has lost the chunk again before it could settle anything leaves the journal to whoever has it now', async () => {
  const { mailingId } = await givenKilledWorker()
  const lease = async () => {
    await database.pool.query(`update chunks set lease_until = null`)
    return leaseChunk(database.pool, { mailingId, n: 0 }, null)
  }
  const lost = await lease()
  await lease()
  const curve = { firstWait: 300, window: 172_800 }
  const deps = { pool: database.pool, log, journals, doubt: 'resend', curve, chance: () => 0 } as const
  await settleAbandoned(deps, lost!.chunk)
  await database.pool.query(`update chunks set lease_until = null`)
  await takeOver()
  expect(await totals()).toEqual({ sent: 30, doubted: 3, state: 'done' })
})

test('a journal from before a crash of the machine is not believed', async () => {
  await givenKilledWorker()
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^.*\n/, 'another-boot\n'))
  }
  await takeOver()
  expect(await totals()).toEqual({ sent: 30, doubted: 30, state: 'done' })
})

test('a line that the end of the process cut short is passed over', async () => {
  await givenKilledWorker()
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '.1', { flag: 'a' })
  await takeOver()
  expect(await totals()).toEqual({ sent: 30, doubted: 3, state: 'done' })
})

test.each(['nothing', 'half a line'] as const)(
  'a journal of which a full disk takes %s is gone: after a kill all that was claimed is in doubt',
  async (takes) => {
    fillDisk(5, takes)
    await givenKilledWorker(0)
    expect(readdirSync(folder)).toEqual([])
    await takeOver()
    expect(await totals()).toEqual({ sent: 30, doubted: 30, state: 'done' })
    expect(inbox.received).toHaveLength(30)
  },
)

test('a disk that has room again is known to have it before the next journal is begun, and nothing is left of the question', () => {
  fillDisk(0, 'nothing')
  const full = vi.spyOn(fs, 'writeFileSync').mockImplementation(() => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  })
  syncBuiltinESMExports()
  const letter = { subscriptionId: '1' as SubscriptionId, address: 'a@readers.example', language: 'nb', attempt: 1 }
  expect(journals.areKept).toBe(true)
  journals.open({ mailingId: '1' as MailingId, n: 0, fence: '1' }).dot(letter)
  expect([journals.areKept, journals.areKept]).toEqual([false, false])
  full.mockRestore()
  syncBuiltinESMExports()
  expect(journals.areKept).toBe(true)
  expect(readdirSync(folder)).toEqual([])
})

test.each(['nothing', 'half a line'] as const)(
  'where a journal of which the disk takes %s cannot be removed either, no further dot leaves, and of the others it tells',
  (takes) => {
    const chunk = { mailingId: '1' as MailingId, n: 0, fence: '1' }
    const letters = ['1', '2', '3', '4'].map((id) => ({
      subscriptionId: id as SubscriptionId,
      address: `reader${id}@readers.example`,
      language: 'nb',
      attempt: 1,
    }))
    const clear = fillDisk(2, takes)
    holdFiles()
    const journal = journals.open(chunk)
    expect(letters.map(journal.dot)).toEqual([true, true, false, false])
    // With room again a line would be read as the rest of the one before.
    clear()
    expect(letters.slice(2).map(journal.dot)).toEqual([false, false])
    journal.leave()
    const told = journals.read(chunk)
    expect(letters.map((letter) => told?.(letter))).toEqual(['dot', 'dot', undefined, undefined])
  },
)

test.each([
  ['before it wrote the line', 0],
  ['while it wrote the line', 1],
])(
  'a worker that was frozen until its lease had run out, %s of its journal, lets no further dot leave',
  async (_, lines) => {
    await givenReaders(database.pool, newsroom, 5)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    let written = 0
    const slow: HandOverJournals = {
      ...journals,
      open: (chunk) => {
        const journal = journals.open(chunk)
        const dot = (letter: Claimed) => {
          written += 1
          return journal.dot(letter)
        }
        return { ...journal, dot }
      },
    }
    const hold = () => ({ runs: () => written < lines, letGo: () => {} })
    const leases = { hold, heardUntil: async () => null, close: () => {} }
    const frozen = openEngine(database.pool, inbox.url, { chunkSize: 40, journals: slow, leases })
    await cutAudience(frozen.fanOut, mailingId)
    for (const { payload } of frozen.woken)
      await sendChunk({ ...frozen.mailer, stopping: stopsSoon() }, payload as Payloads['mail-bulk'])
    await frozen.close()
    expect(inbox.received).toEqual([])
    expect(written).toBe(lines)
    expect(await totals()).toMatchObject({ sent: 0, doubted: 0, state: 'open' })
  },
)

/** Its letters are put back and claimed again until somebody stops it. */
function stopsSoon(): () => boolean {
  let asked = 0
  return () => ++asked > 12
}

test('in order, a turn leaves nothing behind on the disk', async () => {
  await givenReaders(database.pool, newsroom, 5)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  const engine = openEngine(database.pool, inbox.url, { chunkSize: 40, journals })
  await engine.send(mailingId)
  await engine.close()
  expect(inbox.received).toHaveLength(5)
  expect(readdirSync(folder)).toEqual([])
})

test('what hosts said does not lie about until the next start: a journal older than a day goes within the hour', () => {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  try {
    openHandOverJournals(folder, log)
    for (const name of ['1-1-1.journal', '1-2-1.journal', 'kept.txt']) writeFileSync(join(folder, name), '.1 1\n')
    const now = Date.now() / 1000
    for (const [name, age] of Object.entries({ '1-1-1.journal': 25, '1-2-1.journal': 23, 'kept.txt': 25 }))
      utimesSync(join(folder, name), now - age * 3_600, now - age * 3_600)
    vi.advanceTimersByTime(3_600_000)
    expect(readdirSync(folder).sort()).toEqual(['1-2-1.journal', 'kept.txt'])
  } finally {
    vi.useRealTimers()
  }
})

test('where no journal can be kept, letters go out all the same', async () => {
  const path = join(folder, 'a-file')
  writeFileSync(path, '')
  await givenReaders(database.pool, newsroom, 5)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  const engine = openEngine(database.pool, inbox.url, { journals: openHandOverJournals(path, log) })
  await engine.send(mailingId)
  await engine.close()
  expect(inbox.received).toHaveLength(5)
})

test.each(['this machine', 'another machine', 'another machine, when this one’s was told to stop meanwhile'])(
  'a claim whose answer was lost with its connection puts nobody in doubt, whoever goes on, on %s',
  async (where) => {
    await givenReaders(database.pool, newsroom, 30)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await database.pool.query(`update mailings set cut_from = 0, cut_after = 0`)
    const engine = openEngine(database.pool, inbox.url, { chunkSize: 40, journals })
    await cutAudience(engine.fanOut, mailingId)
    let isLost = false
    let isAway = where.includes('meanwhile')
    // The statement is carried out, and its answer never comes.
    const losing = new Proxy(database.pool, {
      get: (pool, name) =>
        name !== 'query'
          ? Reflect.get(pool, name)
          : async (...asked: Parameters<typeof pool.query>) => {
              if (isLost && isAway) {
                isAway = false
                throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
              }
              const answer = await pool.query(...asked)
              isLost ||= (asked[0] as { name?: string }).name === 'write-deliveries'
              if ((asked[0] as { name?: string }).name === 'write-deliveries') throw new Error('the connection was cut')
              return answer
            },
    })
    const stopping = () => isLost && where.includes('meanwhile')
    await expect(sendChunk({ ...engine.mailer, pool: losing, stopping }, { mailingId, chunk: 0 })).rejects.toThrow(
      'cut',
    )
    expect(isAway).toBe(false)
    await engine.close()
    await database.pool.query(`update chunks set next_at = now()`)
    const elsewhere = join(folder, 'elsewhere')
    if (where !== 'this machine') journals = openHandOverJournals(elsewhere, log)
    await takeOver()
    expect(await totals()).toEqual({ sent: 30, doubted: 0, state: 'done' })
    expect(inbox.received).toHaveLength(30)
    rmSync(elsewhere, { recursive: true, force: true })
    expect(readdirSync(folder)).toEqual([])
  },
)
