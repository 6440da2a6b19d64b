import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { releaseBody } from '../given/webhook.ts'
import { type CountingHost, openCountingHost } from '../rig/counting-host.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { entries } from '../rig/entries.ts'
import { type Installation, startInstallation } from '../rig/installation.ts'
import { endProgram, findProgram } from '../rig/programs.ts'
import { hasRedisCluster, type RedisCluster, startRedisCluster } from '../rig/redis-cluster.ts'
import { until } from '../rig/until.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null
const readers = 3_000

/** Milliseconds a mail host takes over a letter: it is what bounds a mailing here, not the machine the test runs on. */
const brisk = 15
/** So slow that a mailing goes nowhere while something else is waited for. */
const sluggish = 400

type Worker = { readonly host: CountingHost; readonly child: ChildProcess }

/** One installation whose workers know nothing of each other but where the tables and the queues are. */
export function describeManyWorkers(store: 'redis' | 'cluster' | 'postgres'): void {
  const canRun = { redis: hasRedis, cluster: hasRedisCluster, postgres: true }[store]
  describe.skipIf(!canRun)(`several workers processes share the work, queues on ${store}`, () => {
    let database: TestDatabase
    let cluster: RedisCluster | null = null
    let house: Installation
    let addresses: readonly string[]
    const workers: Worker[] = []

    beforeAll(async () => {
      database = await openTestDatabase()
      const there = { url: database.url, exited: new Promise<void>(() => {}), stop: async () => {} }
      cluster = store === 'cluster' ? await startRedisCluster() : null
      // Nothing is said to them but where things are; chunks are small so that there are many to share.
      const env = { CHUNK_SIZE: '100', ...(cluster === null ? {} : { REDIS_URL: cluster.url }) }
      house = await startInstallation(entries, { redis: store === 'redis', env, database: there })
      const newsroom = { ...house.newsroom, defaultLanguage: 'nb' } as unknown as Newsroom
      addresses = (await givenReaders(house.pool, newsroom, readers)).map(({ address }) => address)
      await Promise.all([house.startApi(), ...[1, 2, 3, 4].map(() => startWorker())])
    })
    afterAll(async () => {
      await house.close()
      await Promise.all(workers.map(({ host }) => host.close()))
      await cluster?.close()
      await database.close()
    })

    /** Each hands over to a mail host of its own, so that what it did is counted from outside. */
    async function startWorker(): Promise<Worker> {
      const host = await openCountingHost(brisk)
      const worker = { host, child: await house.startWorkers(host.url) }
      workers.push(worker)
      return worker
    }

    async function publish(title: string): Promise<string> {
      const told = releaseBody({
        externalId: title,
        languages: { nb: { title, lead: 'Brygga står klar.', bodyHtml: '<p>Velkommen.</p>' } },
      })
      const { status, answer } = await house.publish(`event-${title}`, JSON.stringify(told))
      expect(status).toBe(202)
      return answer.mailing!.id
    }

    const stateOf = async (mailing: string) => {
      const { rows } = await house.pool.query<{ state: string }>('select state from mailings where id = $1', [mailing])
      return rows[0]?.state
    }
    const done = (mailing: string) =>
      until(`mailing ${mailing} is done`, async () => (await stateOf(mailing)) === 'done', 90)
    const taken = (title: string) => workers.reduce((sum, { host }) => sum + host.taken(title), 0)
    const inTheMiddle = (title: string) => until('a quarter of the letters have left', () => taken(title) > readers / 4)
    const setPace = (pace: number) => {
      for (const { host } of workers) host.pace = pace
    }

    /** Every reader has the letter once by what the mail hosts took, and the ledger says the same and doubts nothing. */
    async function expectOnceEach(title: string, mailing: string): Promise<void> {
      const copies = new Map<string, number>()
      for (const { host } of workers)
        for (const [to, count] of host.copies.get(title) ?? []) copies.set(to, (copies.get(to) ?? 0) + count)
      expect(addresses.filter((address) => !copies.has(address))).toEqual([])
      expect([...copies].filter(([, count]) => count !== 1)).toEqual([])
      expect(copies.size).toBe(readers)
      const { rows } = await house.pool.query(
        `select sum(c.doubted)::int as doubted,
                (select array_agg(distinct d.state || ' ' || d.attempt)
                   from deliveries d where d.mailing_id = $1) as deliveries
           from chunks c where c.mailing_id = $1`,
        [mailing],
      )
      expect(rows).toEqual([{ doubted: 0, deliveries: ['sent 1'] }])
    }

    /** How many lines of the processes' logs say this. */
    function toldOf(words: string): number {
      const logs = readdirSync(house.folder).filter((name) => name.endsWith('.log'))
      return logs.reduce((sum, name) => sum + readFileSync(join(house.folder, name), 'utf8').split(words).length - 1, 0)
    }

    test('four of them hand over a fair part each, and every reader has the letter once', async () => {
      const title = `Shared on ${store}`
      const mailing = await publish(title)
      await done(mailing)
      await expectOnceEach(title, mailing)
      const shares = workers.map(({ host }) => host.taken(title))
      expect(shares).toHaveLength(4)
      for (const share of shares) expect(share, `of ${shares}`).toBeGreaterThan(readers / 4 / 10)
    })

    test('one told to stop in the middle leaves the rest to the others and to one that has just come', async () => {
      const title = `Relieved on ${store}`
      const mailing = await publish(title)
      await inTheMiddle(title)
      setPace(sluggish)
      const [leaving] = workers
      await endProgram(leaving!.child, 'SIGTERM')
      expect(leaving!.child.exitCode).toBe(0)
      const before = leaving!.host.taken(title)
      const fifth = await startWorker()
      await until('the fifth takes part', () => fifth.host.taken(title) > 0)
      expect(await stateOf(mailing)).not.toBe('done')
      setPace(brisk)
      await done(mailing)
      await expectOnceEach(title, mailing)
      expect(leaving!.host.taken(title)).toBe(before)
    })

    if (store !== 'cluster') return
    test('the node with the queues is killed in the middle and comes back, and nobody notices by mail', async () => {
      const title = 'Without a node'
      const mailing = await publish(title)
      await inTheMiddle(title)
      const startAgain = await cluster!.loseHolderOf('{pressebud}:mail-bulk:meta')
      await until('the workers miss it', () => toldOf('the queue has trouble') > 0)
      expect(await stateOf(mailing)).not.toBe('done')
      await startAgain()
      await done(mailing)
      await expectOnceEach(title, mailing)
    })
  })
}
