import fc from 'fast-check'
import type { PoolClient } from 'pg'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishRelease, type ToldRelease } from '../../services/api/publisher/publish-release.ts'
import { correctRelease, withdrawRelease } from '../../services/api/publisher/revise-release.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { activateSubscription, endSubscription } from '../../shared/subscription/subscription.sql.ts'
import type { Frequency } from '../../shared/subscription/subscription.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { cutDigests } from '../../workers/scheduler/cut-digests.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { noonsFrom, wishFrequency } from '../given/digests.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders, type Reader } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine, sendWholeChunk } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox

beforeAll(async () => {
  database = await openTestDatabase()
  inbox = await openRecordingInbox()
})
afterAll(async () => {
  await inbox.close()
  await database.close()
})

const topics = ['a', 'b'] as const
const readersOf = 5
const reader = fc.nat(readersOf - 1)
const wished = fc.constantFrom<readonly string[]>([], ['a'], ['b'])
const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), topics: wished }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('begin' as const), topics: wished }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('correct' as const), release: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw' as const), release: fc.nat(5) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('frequency' as const),
      reader,
      to: fc.constantFrom<Frequency>('immediate', 'daily', 'weekly'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('topics' as const), reader, topics: wished }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), reader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const), reader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), reader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('return' as const), reader }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('work' as const), steps: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cut' as const), steps: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('day' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), after: fc.nat(2) }) },
)
type Act = typeof act extends fc.Arbitrary<infer One> ? One : never

type Known = { revision: number; topics: readonly string[]; withdrawn: boolean; at: number }
type Life = { topics: readonly string[]; active: boolean; paused: boolean; since: number; changes: number[] }

/** A newsroom's life, with what each reader is owed kept beside it. */
class Play {
  readonly releases: Known[] = []
  readonly lives: Life[] = Array.from({ length: readersOf }, () => ({
    topics: [],
    active: true,
    paused: false,
    since: 0,
    changes: [],
  }))
  /** What each reader was told, as `3v2`, and of which withdrawals. */
  readonly told: string[][] = Array.from({ length: readersOf }, () => [])
  readonly newsroom: Newsroom
  readonly readers: readonly Reader[]
  readonly engine: Engine
  private readonly nextNoon: () => Date
  private noon: Date
  private clock = 0
  private late: { tx: PoolClient; release: Known } | null = null
  private readonly faults: string[] = []

  constructor(newsroom: Newsroom, readers: readonly Reader[], engine: Engine) {
    this.newsroom = newsroom
    this.readers = readers
    this.engine = engine
    this.nextNoon = noonsFrom(new Date())
    this.noon = this.nextNoon()
  }

  async do(one: Act): Promise<void> {
    this.clock += 1
    await this.perform(one)
    await this.read()
  }

  private async perform(one: Act): Promise<void> {
    const { pool } = database
    switch (one.do) {
      case 'publish':
        return inTransaction(pool, (tx) => this.publish(tx, one.topics))
      case 'begin': {
        if (this.late) return
        const tx = await pool.connect()
        await tx.query('begin')
        await this.publish(tx, one.topics)
        this.late = { tx, release: this.releases.at(-1)! }
        return
      }
      case 'commit':
        return this.commit()
      case 'correct':
      case 'withdraw':
        return this.revise(one.do, one.release)
      case 'frequency':
        await wishFrequency(pool, this.readers[one.reader]!.subscriptionId, one.to)
        return
      case 'topics':
        this.change(one.reader).topics = one.topics
        await this.set(one.reader, 'update subscriptions set topics = $2 where id = $1', [one.topics])
        return
      case 'pause':
        this.change(one.reader).paused = true
        await this.set(
          one.reader,
          `update subscriptions set paused_until = now() + interval '1 hour' where id = $1`,
          [],
        )
        return
      case 'resume':
        this.change(one.reader).paused = false
        await this.set(one.reader, 'update subscriptions set paused_until = now() where id = $1', [])
        return
      case 'leave':
        this.change(one.reader).active = false
        await endSubscription(pool, this.readers[one.reader]!.subscriptionId, 'unsubscribed')
        return
      case 'return':
        return this.return(one.reader)
      case 'work':
        return this.work(one.steps)
      case 'cut':
        return this.cut(one.steps)
      case 'day':
        this.noon = this.nextNoon()
        return
      case 'break':
        return this.breakOff(one.after)
    }
  }

  /** Everything is let happen; then each reader must have what they are owed. */
  async end(): Promise<string[]> {
    await this.commit()
    for (const [index, life] of this.lives.entries()) if (life.paused) await this.do({ do: 'resume', reader: index })
    for (let turns = 0; turns < 10; turns += 1) {
      this.noon = this.nextNoon()
      await this.cut(100)
      await reconcile({
        pool: database.pool,
        wake: this.engine.mailer.wake,
        now: () => new Date(),
        heardUntil: async () => null,
      })
      await this.work(1_000)
      await this.read()
    }
    for (const [index, life] of this.lives.entries()) this.judge(index, life)
    const { rows } = await database.pool.query<{ left: string }>(
      `select id || ' ' || kind || ' ' || state as left from mailings
        where newsroom_id = $1 and state not in ('done', 'cancelled', 'superseded')`,
      [this.newsroom.id],
    )
    return [...this.faults, ...rows.map(({ left }) => `mailing ${left} never ends`)]
  }

  /** Lets go of a transaction that a broken play has left open. */
  async close(): Promise<void> {
    await this.late?.tx.query('rollback')
    this.late?.tx.release()
    this.late = null
  }

  private judge(index: number, life: Life): void {
    const told = this.told[index]!
    for (const one of new Set(told))
      if (told.filter((other) => other === one).length > 1) this.faults.push(`reader ${index} was told ${one} twice`)
    for (const [number, release] of this.releases.entries()) {
      const had = told.some((one) => one.startsWith(`${number}v`))
      const toldOff = told.includes(`${number}withdrawn`)
      if (release.withdrawn && toldOff && !had) this.faults.push(`reader ${index} was told of withdrawn ${number}`)
      if (release.withdrawn && had && !toldOff && life.active && life.since < release.at)
        this.faults.push(`reader ${index} has ${number} and was not told that it is withdrawn`)
      if (release.withdrawn || !life.active || life.changes.some((at) => at >= release.at)) continue
      const wishes =
        life.topics.length === 0 ||
        release.topics.length === 0 ||
        life.topics.some((one) => release.topics.includes(one))
      const owed = wishes && life.since < release.at && !life.paused
      const newest = told.includes(`${number}v${release.revision}`)
      if (owed && !newest) this.faults.push(`reader ${index} was not told ${number}v${release.revision}`)
      if (!owed && had && life.since < release.at && !wishes)
        this.faults.push(`reader ${index} did not wish for ${number}`)
      if (had && life.since > release.at) this.faults.push(`reader ${index} came after ${number}`)
    }
  }

  private change(index: number): Life {
    const life = this.lives[index]!
    life.changes.push(this.clock)
    return life
  }

  private set(index: number, statement: string, values: readonly unknown[]) {
    return database.pool.query(statement, [this.readers[index]!.subscriptionId, ...values])
  }

  private async publish(tx: PoolClient, ofTopics: readonly string[]): Promise<void> {
    const number = this.releases.length
    this.releases.push({ revision: 1, topics: ofTopics, withdrawn: false, at: this.clock })
    await publishRelease(tx, this.newsroom, toldAs(number, 1, ofTopics), new Date())
  }

  private async commit(): Promise<void> {
    if (!this.late) return
    await this.late.tx.query('commit')
    this.late.tx.release()
    this.late = null
  }

  private async revise(how: 'correct' | 'withdraw', which: number): Promise<void> {
    const release = this.releases[which]
    if (!release || release.withdrawn || release === this.late?.release) return
    await inTransaction(database.pool, async (tx) => {
      if (how === 'withdraw') {
        await withdrawRelease(tx, this.newsroom, `r${which}`, new Date())
        release.withdrawn = true
      } else {
        release.revision += 1
        await correctRelease(tx, this.newsroom, toldAs(which, release.revision, release.topics), () => new Date())
      }
    })
  }

  private async return(index: number): Promise<void> {
    const life = this.lives[index]!
    if (life.active) return
    await this.set(index, `update subscriptions set state = 'pending' where id = $1`, [])
    await activateSubscription(database.pool, this.readers[index]!.subscriptionId)
    life.active = true
    life.since = this.clock
    life.changes.push(this.clock)
  }

  private async work(steps: number): Promise<void> {
    await reconcile({
      pool: database.pool,
      wake: this.engine.mailer.wake,
      now: () => new Date(),
      heardUntil: async () => null,
    })
    for (let step = 0; step < steps; step += 1) {
      const next = this.engine.woken.shift()
      if (!next) return
      if (next.queue === 'fan-out') await cutAudience(this.engine.fanOut, next.payload.mailingId)
      if (next.queue === 'mail-bulk') await sendWholeChunk(this.engine.mailer, next.payload)
    }
  }

  private async cut(steps: number): Promise<void> {
    let taken = 0
    await cutDigests({
      ...this.engine.digests,
      now: () => this.noon,
      readersAtOnce: 2,
      stopping: () => ++taken > steps,
    })
  }

  private async breakOff(after: number): Promise<void> {
    let taken = 0
    const stopping = () => {
      if (++taken > after) throw new Error('broken off')
      return false
    }
    await cutDigests({ ...this.engine.digests, now: () => this.noon, readersAtOnce: 2, stopping }).catch(
      () => undefined,
    )
  }

  private async read(): Promise<void> {
    for (const { to, raw } of inbox.received.splice(0)) {
      const index = this.readers.findIndex(({ address }) => address === to)
      const { text = '', subject = '' } = await PostalMime.parse(raw)
      if (!this.lives[index]!.active) this.faults.push(`reader ${index} was mailed after leaving: ${subject}`)
      const withdrawn = /^Withdrawn: Release (\d+)v/.exec(subject)
      const texts = withdrawn
        ? []
        : [...new Set([...text.matchAll(/^Release (\d+v\d+)\n[=-]{3,}/gm)].map(([, one]) => one!))]
      if (withdrawn) this.told[index]!.push(`${withdrawn[1]}withdrawn`)
      else if (texts.length === 0) this.faults.push(`reader ${index} got a letter that tells nothing: ${subject}`)
      for (const one of texts) {
        const [number, revision] = one.split('v').map(Number) as [number, number]
        const release = this.releases[number]!
        if (release.withdrawn || revision !== release.revision) this.faults.push(`reader ${index} was told old ${one}`)
        this.told[index]!.push(one)
      }
    }
  }
}

const toldAs = (number: number, revision: number, ofTopics: readonly string[]) =>
  ({
    publishedAt: new Date('2024-03-14T09:00:00Z'),
    data: {
      externalId: `r${number}`,
      zone: 'Europe/Oslo',
      topics: ofTopics,
      languages: { en: { title: `Release ${number}v${revision}`, lead: 'Short.', bodyHtml: '<p>More.</p>' } },
      contacts: [],
      images: [],
      documents: [],
      links: [],
    },
  }) as unknown as ToldRelease

test('whatever happens in whatever order, each reader is told each release once, by one way or the other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), async (acts) => {
      await emptyTables(database.pool)
      inbox.received.length = 0
      const names = topics.map((id) => ({ id, names: { en: id } }))
      const newsroom = await givenNewsroom(database.pool, { languages: ['en'], defaultLanguage: 'en', topics: names })
      const readers = await givenReaders(database.pool, newsroom, readersOf)
      const engine = openEngine(database.pool, inbox.url, { chunkSize: 2 })
      const play = new Play(newsroom, readers, engine)
      try {
        for (const one of acts) await play.do(one)
        expect(await play.end()).toEqual([])
      } finally {
        await play.close()
        await engine.close()
      }
    }),
    {
      numRuns: Number(process.env.DIGEST_RUNS ?? 12),
      endOnFailure: false,
      ...(process.env.DIGEST_SEED ? { seed: Number(process.env.DIGEST_SEED) } : {}),
    },
  )
}, 3_600_000)
