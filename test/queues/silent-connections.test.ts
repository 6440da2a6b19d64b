import { describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { releaseBody } from '../given/webhook.ts'
import { entries } from '../rig/entries.ts'
import { startInstallation } from '../rig/installation.ts'
import { findProgram } from '../rig/programs.ts'
import { openRecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'
import { openWay } from '../rig/way.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null
const readers = 1_000

/** Real workers, and every connection they have to what they stand on falls silent at once: nothing is refused or closed. */
describe('a mailing goes on by itself and reaches everybody once, though all connections fall silent', () => {
  const ways = [
    { to: 'PostgreSQL, which keeps the queues as well', setting: 'DATABASE_URL', redis: false },
    { to: 'PostgreSQL', setting: 'DATABASE_URL', redis: true },
    { to: 'Redis', setting: 'REDIS_URL', redis: true },
  ] as const
  test.concurrent.for(ways)('to $to', { timeout: 120_000 }, async ({ setting, redis }, { skip, onTestFinished }) => {
    if (redis && !hasRedis) skip('redis-server is not installed')
    const house = await startInstallation(entries, { redis })
    const inbox = await openRecordingInbox()
    const way = await openWay(setting === 'REDIS_URL' ? house.redis!.url : house.database.url)
    onTestFinished(async () => {
      await house.close()
      await Promise.all([inbox.close(), way.close()])
    })
    await house.startApi()
    await house.startWorkers(inbox.url, { [setting]: way.url, CHUNK_SIZE: '50' })
    const addresses = Array.from({ length: readers }, (_, n) => `r${n}@d${n % 5}.example`)
    await givenReaders(house.pool, { ...(house.newsroom as unknown as Newsroom), defaultLanguage: 'nb' }, addresses)
    // Slow enough for the connections to be in use when they fall silent.
    inbox.onMailFrom = () => new Promise((resolve) => setTimeout(resolve, 30))
    await house.publish('msg_1', JSON.stringify(releaseBody({ externalId: 'one' })))
    await until('the mailing is under way', () => inbox.received.length > readers / 5)
    way.fallSilent()
    // Their silence is noticed after ten or seven seconds; each of them one after another would take minutes.
    const reached = () => new Set(inbox.received.map(({ to }) => to))
    await until('everybody has it', () => reached().size === readers, 60)
    expect(inbox.received).toHaveLength(readers)
    expect(reached()).toEqual(new Set(addresses))
  })
})
