import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import { wishFrequency } from '../given/digests.ts'
import { givenReaders } from '../given/readers.ts'
import { releaseBody } from '../given/webhook.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { entries } from '../rig/entries.ts'
import { type Installation, startInstallation } from '../rig/installation.ts'
import { endProgram, findProgram, startRedis } from '../rig/programs.ts'
import { linkIn, oneClick, type ReaderAtHome, readerAtHome } from '../rig/reader-at-home.ts'
import { rowsOf } from '../rig/reader-house.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'
import { openWrongClock } from '../rig/wrong-clock.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null

const anHour = 3_600_000

/** Waits of an installation that somebody watches: what would be minutes are seconds, and all else is as it ships. */
const impatient = { RECONCILE_EVERY: '1', RETRY_FIRST_WAIT: '1', CHUNK_SIZE: '20', SIGN_UPS_PER_HOUR: '1000' }

/** One whole installation in processes of its own, and all that happens to its readers. */
export function describeLife(kind: 'postgres' | 'redis'): void {
  describe.skipIf(kind === 'redis' && !hasRedis)(`the life of readers and releases, queues on ${kind}`, () => {
    let database: TestDatabase
    let inbox: RecordingInbox
    let house: Installation
    let api: ChildProcess
    let workers: ChildProcess
    let startApi: () => Promise<ChildProcess>
    let startWorkers: () => Promise<ChildProcess>

    beforeAll(async () => {
      database = await openTestDatabase()
      inbox = await openRecordingInbox()
      const there = { url: database.url, exited: new Promise<void>(() => {}), stop: async () => {} }
      house = await startInstallation(entries, { redis: kind === 'redis', env: impatient, database: there })
      // Nobody has set the clocks of these two machines: readers must not notice.
      const clocks = {
        api: openWrongClock(entries, house.folder, 'api'),
        workers: openWrongClock(entries, house.folder, 'workers'),
      }
      clocks.api.moveTo(anHour)
      clocks.workers.moveTo(-anHour)
      startApi = () => house.startApi(clocks.api.env)
      startWorkers = () => house.startWorkers(inbox.url, clocks.workers.env)
      ;[api, workers] = await Promise.all([startApi(), startWorkers()])
    })
    afterAll(async () => {
      await house.close()
      await inbox.close()
      await database.close()
    })

    let releases = 0
    /** The publisher's system tells of a release; returns its title and its mailing. */
    async function publish(wishes: Record<string, unknown> = {}) {
      releases += 1
      const title = `Release ${releases} on ${kind}`
      const told = releaseBody({
        externalId: `release-${releases}`,
        languages: { nb: { title, lead: 'Brygga står klar.', bodyHtml: '<p>Velkommen.</p>' } },
        ...wishes,
      })
      const { status, answer } = await house.publish(`event-${releases}`, JSON.stringify(told))
      expect(status).toBe(202)
      return { title, mailing: answer.mailing!.id, state: (answer.mailing as { state?: string }).state }
    }
    const done = (mailing: string) =>
      until(`mailing ${mailing} is done`, async () => {
        const { rows } = await house.pool.query<{ state: string }>('select state from mailings where id = $1', [
          mailing,
        ])
        return rows[0]?.state === 'done'
      })
    const reader = (name: string): ReaderAtHome => readerAtHome(house, inbox, `${name}@${kind}.example`)
    const newsroom = () => house.newsroom as unknown as Newsroom
    const imported = async (name: string, count: number) => {
      const addresses = Array.from({ length: count }, (_, n) => `${name}${n}@${kind}.example`)
      await givenReaders(house.pool, { ...newsroom(), defaultLanguage: 'nb' }, addresses)
      return addresses
    }
    /** How many letters with that title came to each of these. */
    const copies = (title: string, addresses: readonly string[]) => {
      const counts = new Map(addresses.map((address) => [address, 0]))
      for (const { to, raw } of inbox.received)
        if (counts.has(to) && raw.includes(`Subject: ${title}\r\n`)) counts.set(to, counts.get(to)! + 1)
      return [...counts.values()]
    }
    const doubted = async (mailing: string) => {
      const { rows } = await house.pool.query<{ doubted: number }>(
        'select sum(doubted)::int as doubted from chunks where mailing_id = $1',
        [mailing],
      )
      return rows[0]!.doubted
    }

    const recorded = async () => (await house.pool.query("select from notices where state <> 'sent'")).rowCount === 0

    test('a reader asks, confirms, is written to, leaves with one click, and is left alone', async () => {
      const [kari, ola] = [reader('kari'), reader('ola')]
      await ola.follow()
      expect(await kari.signUp()).toBe(200)
      const question = await kari.letter(0)
      const link = linkIn(question, 'confirm')
      // It is in the mailbox a moment before it is written down that it is.
      await until('the notice is recorded as sent', recorded)
      const before = await rowsOf(house.pool)
      for (let scan = 0; scan < 3; scan += 1) await kari.open(link)
      expect(await rowsOf(house.pool)).toBe(before)
      expect(await kari.press(link)).toBe(200)

      const first = await publish()
      const letter = await kari.letter(1)
      expect(letter.subject).toBe(first.title)
      expect(letter.text).toContain('Velkommen.')
      await done(first.mailing)
      expect(await oneClick(letter)).toBe(200)

      const second = await publish()
      await done(second.mailing)
      expect((await ola.letter(2)).subject).toBe(second.title)
      expect([kari.letters(), ola.letters()]).toEqual([2, 3])
    })

    test.skipIf(process.platform !== 'linux')('workers give way to the doors with every thread they have', () => {
      const tasks = `/proc/${workers.pid}/task`
      const niceOf = (thread: string) =>
        Number(readFileSync(`${tasks}/${thread}/stat`, 'utf8').split(') ')[1]!.split(' ')[16])
      const nice = readdirSync(tasks).map(niceOf)
      // The main thread, and those of V8 and of the pool in which letters are signed.
      expect(nice.length).toBeGreaterThan(4)
      expect(Math.min(...nice)).toBeGreaterThanOrEqual(10)
    })

    test('a reader who has no letter left asks on the web, and the link that comes changes what they get', async () => {
      const eva = reader('eva')
      await eva.follow()
      const ask = `${house.api}/newsrooms/${house.newsroom.slug}/preferences`
      const post = (url: string, fields: Record<string, string>) =>
        fetch(url, { method: 'POST', headers: { accept: 'text/html' }, body: new URLSearchParams(fields) })
      expect((await post(ask, { email: eva.address })).status).toBe(200)
      const link = linkIn(await eva.letter(1), 'preferences')
      const wishes = { act: 'save', frequency: 'weekly', language: 'nb', pause: '', address: '' }
      expect((await post(link, wishes)).status).toBe(200)
      const { mailing } = await publish()
      await done(mailing)
      expect(eva.letters()).toBe(2)
    })

    test('a release under embargo is nowhere to be seen before its hour, and in the mailbox after it', async () => {
      const early = reader('early')
      await early.follow()
      const hour = new Date(Date.now() + 5_000)
      const { title, mailing, state } = await publish({ publishedAt: hour.toISOString() })
      expect(state).toBe('embargoed')
      const page = `${house.api}/newsrooms/${house.newsroom.slug}`
      expect(await early.open(page)).not.toContain(title)
      expect((await early.letter(1)).subject).toBe(title)
      expect(Date.now()).toBeGreaterThanOrEqual(hour.getTime())
      await done(mailing)
      expect(await early.open(page)).toContain(title)
    })

    test('a reader whose mail host says “later” is written to again, and has the letter once', async () => {
      const grey = reader('grey')
      await grey.follow()
      inbox.refuse(grey.address, { code: 450, text: '4.2.0 Greylisted, come back later', times: 1 })
      const { title, mailing } = await publish()
      expect((await grey.letter(1)).subject).toBe(title)
      await done(mailing)
      expect(copies(title, [grey.address])).toEqual([1])
      const { rows } = await house.pool.query('select verdict, code from attempts where mailing_id = $1', [mailing])
      expect(rows).toEqual([{ verdict: 'deferred', code: 450 }])
    })

    test('an address its mail host refuses for good is left alone, until its owner asks and confirms', async () => {
      const moved = reader('moved')
      await moved.follow()
      inbox.refuse(moved.address, { code: 550, text: '5.1.1 No such user', times: 1 })
      await done((await publish()).mailing)
      await done((await publish()).mailing)
      expect(moved.letters()).toBe(1)
      await moved.follow()
      const { title } = await publish()
      expect((await moved.letter(2)).subject).toBe(title)
    })

    test('a worker killed in the middle of a mailing loses nobody, and doubles none but those in doubt', async () => {
      const addresses = await imported('killed', 60)
      let begun = 0
      inbox.onMailFrom = () => {
        begun += 1
        return begun > 25 ? new Promise(() => {}) : Promise.resolve()
      }
      const { title, mailing } = await publish()
      await until('letters are under way', () => begun > 25)
      await endProgram(workers, 'SIGKILL')
      inbox.onMailFrom = async () => {}
      workers = await startWorkers()
      await done(mailing)
      const counts = copies(title, addresses)
      expect(counts.filter((count) => count === 0)).toEqual([])
      expect(counts.reduce((sum, count) => sum + count - 1, 0)).toBeLessThanOrEqual(await doubted(mailing))
    })

    test('a worker told to stop under load finishes what it began: no letter is in doubt, none is sent twice', async () => {
      const addresses = await imported('stopped', 200)
      let begun = 0
      inbox.onMailFrom = async () => {
        begun += 1
      }
      const { title, mailing } = await publish()
      await until('letters are under way', () => begun > 20)
      await endProgram(workers, 'SIGTERM')
      expect(workers.exitCode).toBe(0)
      workers = await startWorkers()
      await done(mailing)
      expect(copies(title, addresses)).toEqual(addresses.map(() => 1))
      expect(await doubted(mailing)).toBe(0)
    })

    test('a digest whose hour came while the workers were away is caught up with once, and can be left', async () => {
      const [gathers, leaves] = [reader('gathers'), reader('gone')]
      await Promise.all([gathers.follow(), leaves.follow()])
      const { rows } = await house.pool.query<{ id: SubscriptionId }>(
        `select s.id from subscriptions s join subscribers b on b.id = s.subscriber_id where b.address = any($1)`,
        [[gathers.address, leaves.address]],
      )
      for (const { id } of rows) await wishFrequency(house.pool, id, 'daily')
      const first = await publish()
      const second = await publish()
      await Promise.all([done(first.mailing), done(second.mailing)])
      expect([gathers.letters(), leaves.letters()]).toEqual([1, 1])

      await endProgram(workers, 'SIGTERM')
      // The newsroom has been there for some days, and with it the hours of its daily digests; that of its weekly one is
      // two days ahead, whatever day this is.
      await house.pool.query(
        `update newsrooms set created_at = now() - interval '3 days',
                digest_weekday = extract(isodow from now() + interval '2 days') where id = $1`,
        [house.newsroom.id],
      )
      workers = await startWorkers()
      const digest = await gathers.letter(1)
      expect(digest.text).toContain(first.title)
      expect(digest.text).toContain(second.title)
      const { rows: made } = await house.pool.query<{ id: string }>(`select id from mailings where kind = 'digest'`)
      expect(made).toHaveLength(1)
      await done(made[0]!.id)
      expect([gathers.letters(), leaves.letters()]).toEqual([2, 2])
      expect(await oneClick(await leaves.letter(1))).toBe(200)
    })

    test('the public door told to stop answers who is inside, and ends in order', async () => {
      const asked = reader('late').signUp()
      const page = await fetch(`${house.api}/newsrooms/${house.newsroom.slug}`)
      await Promise.all([asked, page.text()])
      await endProgram(api, 'SIGTERM')
      expect(api.exitCode).toBe(0)
    })

    test.runIf(kind === 'redis')(
      'with Redis gone readers and publishers notice nothing but a little patience',
      async () => {
        if (api.exitCode !== null) api = await startApi()
        const [stays, leaves] = [reader('stays'), reader('leaves')]
        await Promise.all([stays.follow(), leaves.follow()])
        await done((await publish()).mailing)
        const letter = await leaves.letter(1)
        const redis = house.redis!
        await endProgram(redis.child, 'SIGKILL')

        const newcomer = reader('newcomer')
        expect(await newcomer.signUp()).toBe(200)
        expect(await oneClick(letter)).toBe(200)
        const during = await publish()

        // It comes back with nothing in it.
        const again = await startRedis(mkdtempSync(join(house.folder, 'redis-')), redis.port)
        await done(during.mailing)
        expect((await stays.letter(2)).subject).toBe(during.title)
        expect((await newcomer.letter(0)).text).toContain('/confirm/')
        expect(leaves.letters()).toBe(2)

        await again.close()
        await Promise.all([endProgram(workers, 'SIGTERM'), endProgram(api, 'SIGTERM')])
        expect([workers.exitCode, api.exitCode]).toEqual([0, 0])
      },
    )
  })
}
