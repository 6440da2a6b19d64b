import PostalMime from 'postal-mime'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishRelease, type ToldRelease } from '../../services/api/publisher/publish-release.ts'
import { correctRelease, withdrawRelease } from '../../services/api/publisher/revise-release.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import type { Frequency } from '../../shared/subscription/subscription.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { cutDigests } from '../../workers/scheduler/cut-digests.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { noonsFrom, wishFrequency } from '../given/digests.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine

beforeAll(async () => {
  database = await openTestDatabase()
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 10 })
})
afterAll(async () => {
  await engine.close()
  await inbox.close()
  await database.close()
})

const toldAs = (number: number, revision: number) =>
  ({
    publishedAt: new Date('2024-03-14T09:00:00Z'),
    data: {
      externalId: `r${number}`,
      zone: 'Europe/Oslo',
      topics: [],
      languages: { en: { title: `Release ${number}v${revision}`, lead: 'Short.', bodyHtml: '<p>More.</p>' } },
      ...{ contacts: [], images: [], documents: [], links: [] },
    },
  }) as unknown as ToldRelease

test('everything at once: publishing, revising, changing frequency, cutting and sending cost nobody a release', async () => {
  const { pool } = database
  const newsroom = await givenNewsroom(pool, { languages: ['en'], defaultLanguage: 'en' })
  const readers = await givenReaders(pool, newsroom, 60)
  const frequencies: readonly Frequency[] = ['immediate', 'daily', 'weekly']
  const nextNoon = noonsFrom(new Date())
  let noon = nextNoon()
  let over = false
  const wake = engine.mailer.wake

  const worker = async () => {
    while (!over) {
      const next = engine.woken.shift()
      if (!next) await new Promise((resolve) => setImmediate(resolve))
      else if (next.queue === 'fan-out') await cutAudience(engine.fanOut, next.payload.mailingId)
      else if (next.queue === 'mail-bulk') await sendChunk(engine.mailer, next.payload)
    }
  }
  const reconciler = async () => {
    while (!over) await reconcile({ pool, wake, now: () => new Date(), heardUntil: async () => null })
  }
  const cutter = async () => {
    for (let turns = 0; !over; turns += 1) {
      await cutDigests({ ...engine.digests, now: () => noon, readersAtOnce: 7 })
      if (turns % 4 === 3) noon = nextNoon()
    }
  }
  // A sequence that looks like chance and is the same each time.
  let state = Number(process.env.RACE_SEED ?? 7)
  const draw = (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  const waverers = async () => {
    while (!over) await wishFrequency(pool, readers[draw(readers.length)]!.subscriptionId, frequencies[draw(3)]!)
  }
  const releases = Number(process.env.RACE_RELEASES ?? 24)
  const revisions: number[] = []
  const publisher = async () => {
    for (let number = 0; number < releases; number += 1) {
      await inTransaction(pool, (tx) => publishRelease(tx, newsroom, toldAs(number, 1), new Date()))
      revisions[number] = 1
      if (number % 3 !== 2) continue
      const which = draw(number)
      if (revisions[which] === 0) continue
      const isWithdrawn = number % 2 === 0
      const revision = revisions[which]! + 1
      await inTransaction(pool, async (tx) => {
        if (isWithdrawn) await withdrawRelease(tx, newsroom, `r${which}`, new Date())
        else await correctRelease(tx, newsroom, toldAs(which, revision), () => new Date())
      })
      revisions[which] = isWithdrawn ? 0 : revision
    }
  }
  const [, ...loops] = [publisher, worker, worker, worker, reconciler, cutter, waverers, waverers]
  const running = loops.map((loop) => loop())
  await publisher()
  over = true
  await Promise.all(running)
  for (let days = 0; days < 12; days += 1) await engine.cutDigestsAndSend(nextNoon())

  const told = new Map(readers.map(({ address }) => [address, [] as string[]]))
  for (const { to, raw } of inbox.received) {
    const { text = '', subject = '' } = await PostalMime.parse(raw)
    const texts = [...text.matchAll(/^Release (\d+v\d+)\n[=-]{3,}/gm)].map(([, one]) => one!)
    told.get(to)!.push(...(subject.startsWith('Withdrawn') ? [`${texts[0]} withdrawn`] : texts))
    expect(texts.length, 'a letter tells something').toBeGreaterThan(0)
  }
  for (const [address, had] of told) {
    expect(
      had.filter((one, index) => had.indexOf(one) !== index),
      `${address} was told twice`,
    ).toEqual([])
    const missing = revisions.flatMap((revision, number) =>
      revision > 0 && !had.includes(`${number}v${revision}`) ? [`${number}v${revision}`] : [],
    )
    expect(missing, `${address} was not told`).toEqual([])
  }
  const { rows } = await pool.query(
    `select kind, state from mailings where state not in ('done', 'cancelled', 'superseded')`,
  )
  expect(rows).toEqual([])
})
