import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { setPaused } from '../../shared/mailing/mailing.sql.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import type { LetterTransport } from '../../workers/mailer/signing-transport.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { signal } from '../rig/hand-over.ts'
import { until } from '../rig/until.ts'

/*
 * A mail host may take ten minutes over one letter (RFC 5321 4.5.3.2.6). Its chunk stays with the worker for so long; the others in
 * it are not kept waiting.
 */
let database: TestDatabase
let readers: Reader[]
let mailing: Awaited<ReturnType<typeof givenMailing>>['mailingId']

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  const newsroom = await givenNewsroom(database.pool)
  readers = await givenReaders(database.pool, newsroom, 5)
  mailing = (await givenMailing(database.pool, newsroom)).mailingId
  // The whole circle is one chunk.
  await database.pool.query('update mailings set cut_from = 0, cut_after = 0 where id = $1', [mailing])
})

/** A mail host that keeps the first reader's letter until it is told to end it. */
function hostSlowOverOne() {
  const { given: ends, give: end } = signal()
  const taken: string[] = []
  const transport: LetterTransport = {
    async send() {
      throw new Error('chunks are sent in rows')
    },
    async sendRow({ length, open, settle }) {
      const all = Array.from({ length }, async (_, place) => {
        const letter = open(place)
        if (letter === null) return settle(place, { kind: 'not-started' })
        const { to } = letter.envelope
        if (to === readers[0]!.address) await ends
        taken.push(to)
        settle(place, { kind: 'accepted', reply: { code: 250, enhanced: '2.0.0', text: 'Ok' } })
      })
      await Promise.all(all)
    },
    async close() {},
  }
  return { transport, taken, end }
}

type Trouble = {
  /** Whether it comes when the claim has been made. */
  readonly isCarriedOut?: boolean
  come(): Promise<unknown>
  pass(): Promise<unknown>
}

/** What comes between the windows, and how it passes. */
const troubles = {
  'a connection to the database breaks': () => ({
    come: async () => {
      throw new Error('the connection was cut')
    },
    pass: async () => {},
  }),
  'the answer to a claim is lost with its connection': () => ({
    isCarriedOut: true,
    come: async () => {
      throw new Error('the connection was cut')
    },
    pass: async () => {},
  }),
  'the mailing is paused for a moment': () => ({
    come: () => setPaused(database.pool, mailing, true),
    pass: () => setPaused(database.pool, mailing, false),
  }),
  'the mail host cannot be used for a moment': (rest: (seconds: number) => void) => ({
    come: async () => rest(1),
    pass: async () => rest(0),
  }),
} satisfies Record<string, (rest: (seconds: number) => void) => Trouble>

test.each(Object.keys(troubles) as (keyof typeof troubles)[])(
  'one letter that the mail host takes its time over keeps no other of its chunk waiting when %s',
  async (what) => {
    let rest = 0
    const {
      come,
      pass,
      isCarriedOut = false,
    }: Trouble = troubles[what]((seconds) => {
      rest = seconds
    })
    const host = hostSlowOverOne()
    const engine = openEngine(database.pool, 'smtp://127.0.0.1:1', { transport: host.transport })
    let claims = 0
    const pool = new Proxy(database.pool, {
      get: (target, name) =>
        name !== 'query'
          ? Reflect.get(target, name)
          : async (...asked: Parameters<typeof target.query>) => {
              const isClaim = (asked[0] as { name?: string }).name === 'claim-deliveries'
              if (isClaim) claims += 1
              const isMeant = isClaim && claims === 1
              if (isMeant && !isCarriedOut) await come()
              const answer = await target.query(...asked)
              if (isMeant && isCarriedOut) await come()
              return answer
            },
    })
    const circuit = { ...openRelayCircuit(engine.mailer.log), rest: () => rest }
    await cutAudience(engine.fanOut, mailing)
    const windowSize = { now: () => 3, tell: () => {}, tellLate: () => {} }
    await sendChunk({ ...engine.mailer, pool, circuit, windowSize }, { mailingId: mailing, chunk: 0 })
    expect(host.taken.toSorted()).toEqual(readers.slice(1, 3).map(({ address }) => address))

    await pass()
    await until('the others have theirs', () => host.taken.length === 4)
    expect(host.taken).not.toContain(readers[0]!.address)
    host.end()
    await engine.mailer.lingering.ended()
    await engine.reconcileAndSend()
    await engine.close()
    const { rows } = await database.pool.query('select state, attempt, count(*)::int from deliveries group by 1, 2')
    expect(rows).toEqual([{ state: 'sent', attempt: 1, count: 5 }])
    const chunks = await database.pool.query('select state, sent, doubted, lease_until from chunks')
    expect(chunks.rows).toEqual([{ state: 'done', sent: 5, doubted: 0, lease_until: null }])
  },
)

test('a chunk whose slow letter has ended is given back, also while another one is at work beside the jobs', async () => {
  const host = hostSlowOverOne()
  const engine = openEngine(database.pool, 'smtp://127.0.0.1:1', { transport: host.transport })
  const { given: ends, give: end } = signal()
  const { lingering } = engine.mailer
  const another = lingering.oneByOne(async () => {
    await ends
    return 0
  })
  let isAsked = false
  const watched = {
    ...lingering,
    oneByOne: (send: () => Promise<number>) => {
      isAsked = true
      return lingering.oneByOne(send)
    },
  }
  await cutAudience(engine.fanOut, mailing)
  await sendChunk({ ...engine.mailer, lingering: watched }, { mailingId: mailing, chunk: 0 })
  await until('it would look what is due', () => isAsked)
  host.end()
  await until('it is given back', async () => {
    const { rows } = await database.pool.query('select state, lease_until from chunks')
    return rows[0].state === 'done' && rows[0].lease_until === null
  })
  end()
  await another
  await engine.close()
  expect(host.taken).toHaveLength(5)
})
