import { beforeEach, describe, expect, test } from 'vitest'
import { openLog } from '../../shared/log/log.ts'
import { openListener } from '../../shared/postgres/listen.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { until } from '../rig/until.ts'
import { openWay, type Way } from '../rig/way.ts'

describe('when the connections to PostgreSQL fall silent', () => {
  let database: TestDatabase
  let way: Way
  let pool: Pool

  beforeEach(async () => {
    database = await openTestDatabase()
    way = await openWay(database.url)
    // Answers that come are to come in the first half of the time, and connections too, on a slow machine as well.
    pool = openPool({ url: way.url, name: 'silent', most: 5, answersWithin: 4_000, onError: () => {} })
    return async () => {
      await pool.end()
      await way.close()
      await database.close()
    }
  })

  const askedAtOnce = (times: number) =>
    Promise.allSettled(Array.from({ length: times }, () => pool.query('select pg_sleep(0.05)')))

  test('the first that is asked is given up, and the others are hung up with it', async () => {
    await askedAtOnce(5)
    expect(pool.idleCount).toBe(5)
    way.fallSilent()
    await expect(pool.query('select 1')).rejects.toThrow('Query read timeout')
    const answers = await askedAtOnce(5)
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'fulfilled'))
  })

  test('so are those that were answered while its question was on its way', async () => {
    await askedAtOnce(5)
    const asked = pool.query('select pg_sleep(3)')
    await askedAtOnce(4)
    way.fallSilent()
    await expect(asked).rejects.toThrow('Query read timeout')
    const answers = await askedAtOnce(5)
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'fulfilled'))
  })

  test('who listens is heard again, though nothing is ever asked there', async () => {
    const heard: string[] = []
    const log = openLog('test', 'silent')
    const listener = openListener({
      url: way.url,
      name: 'ear',
      statement: 'listen ear',
      log,
      hear: (payload) => heard.push(payload),
    })
    const tellUntilHeard = (word: string) =>
      until(`“${word}” is heard`, async () => {
        await database.pool.query(`select pg_notify('ear', $1)`, [word])
        return heard.includes(word)
      })
    await tellUntilHeard('before')
    await pool.query('select 1')
    way.fallSilent()
    await expect(pool.query('select 1')).rejects.toThrow('Query read timeout')
    await tellUntilHeard('after')
    await listener.close()
  })

  test('a statement that is merely slow costs no other connection', async () => {
    await pool.end()
    pool = openPool({ url: way.url, name: 'slow', most: 5, answersWithin: 5_000, onError: () => {} })
    await askedAtOnce(5)
    const hungUp = new Set()
    pool.on('remove', (connection) => hungUp.add(connection))
    const query = { text: 'select pg_sleep(2)', query_timeout: 1_000 }
    let slow = ''
    const waited = pool.query(query).then(
      () => {
        slow = 'answered'
      },
      (error: Error) => {
        slow = error.message
      },
    )
    // All four of the others are heard of all the time.
    while (slow === '') await askedAtOnce(4)
    await waited
    expect(slow).toBe('Query read timeout')
    await askedAtOnce(4)
    await until('its connection is gone', () => hungUp.size > 0)
    expect(hungUp.size).toBe(1)
  })
})
