import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { isDatabaseAway } from '../../shared/postgres/database-away.ts'
import { openListener } from '../../shared/postgres/listen.ts'
import { closePool, openPool, type Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'
import { within } from '../../shared/within.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenSecret, releaseBody, signedHeaders } from '../given/webhook.ts'
import { openTestApi, type TestApi } from '../rig/api.ts'
import { type HungPostgres, openHungPostgres } from '../rig/hung-postgres.ts'
import { until } from '../rig/until.ts'
import { watchStatements } from '../rig/watch-statements.ts'

describe.skipIf(process.platform !== 'linux')('while PostgreSQL hangs', () => {
  let postgres: HungPostgres
  /** As the api's, but for its patience: a test has less. */
  let pool: Pool
  let asked: string[]
  let api: TestApi
  let newsroom: Newsroom
  let secret: string

  beforeAll(async () => {
    postgres = await openHungPostgres()
    newsroom = await givenNewsroom(postgres.pool)
    secret = await givenSecret(postgres.pool, newsroom)
    asked = []
    pool = openPool({ url: postgres.server.url, name: 'hung', most: 10, answersWithin: 2_000, onError: () => {} })
    api = await openTestApi(hangingBefore('commit'))
  })
  afterAll(async () => {
    await api.app.close()
    await pool.end()
    await postgres.close()
  })
  afterEach(() => {
    postgres.goOn()
    hangNext = false
  })

  let hangNext = false
  /** The pool; when asked to, the server hangs just before it would read this statement. */
  function hangingBefore(statement: string): Pool {
    const watched = watchStatements(pool, asked)
    const connect = async () => {
      const client = await watched.connect()
      return new Proxy(client, {
        get: (target, name) => {
          const value = Reflect.get(target, name)
          if (name !== 'query') return value
          return (...given: readonly unknown[]) => {
            if (given[0] === statement && hangNext) postgres.hang()
            return (value as (...all: readonly unknown[]) => unknown)(...given)
          }
        },
      })
    }
    return new Proxy(watched, { get: (target, name) => (name === 'connect' ? connect : Reflect.get(target, name)) })
  }

  const payload = (externalId: string) => JSON.stringify(releaseBody({ externalId }))
  const post = (webhookId: string, body: string) =>
    api.app.inject({
      method: 'POST',
      url: `/webhooks/newsrooms/${newsroom.slug}/releases`,
      headers: signedHeaders(secret, webhookId, body),
      payload: body,
    })
  const releases = async (externalId: string) => {
    const { rows } = await postgres.pool.query<{ id: string; mailings: number }>(
      `select r.id, (select count(*)::int from mailings m where m.release_id = r.id) as mailings
         from releases r where r.external_id = $1`,
      [externalId],
    )
    return rows
  }

  test('a release whose commit was not answered is stored once, and the same webhook sent again finds it', async () => {
    hangNext = true
    const body = payload('late')
    const first = await post('msg_late', body)
    expect([first.statusCode, first.json().type, first.headers['retry-after']]).toEqual([
      503,
      'urn:pressebud:refusal:too-busy',
      '5',
    ])
    // It must not say what nobody can know.
    expect(first.body).not.toContain('nothing was changed')

    hangNext = false
    postgres.goOn()
    const [stored] = await until('the server does what it was told', async () => {
      const rows = await releases('late')
      return rows.length > 0 && rows
    })
    const again = await post('msg_late', body)
    expect([again.statusCode, again.json().releaseId]).toEqual([202, stored!.id])
    expect(await releases('late')).toEqual([{ id: stored!.id, mailings: 1 }])
    expect(api.woken.filter((woken) => woken.startsWith('fan-out'))).toEqual([expect.stringContaining('fan-out')])
  })

  test('a transaction that is not answered gives its connection up, and asks for no rollback', async () => {
    asked.length = 0
    const stuck = inTransaction(hangingBefore(''), async (tx) => {
      postgres.hang()
      await tx.query('select 1')
    })
    const fault = await stuck.catch((error: unknown) => error)
    expect(isDatabaseAway(fault)).toBe(true)
    expect(asked).toEqual(['begin', 'select 1'])
    await until('its connection is gone', () => pool.totalCount === pool.idleCount)
    postgres.goOn()
    expect((await pool.query('select 2 as two')).rows).toEqual([{ two: 2 }])
  })

  test('who listens on a channel can stop doing so', async () => {
    const name = 'pressebud test, listening'
    const log = pino({ level: 'silent' })
    const plan = { url: postgres.server.url, name, statement: 'listen a_channel', log, hear: () => {} }
    const listener = openListener(plan)
    const listening = `select from pg_stat_activity where application_name = $1 and state = 'idle' and query = $2`
    await until('it listens', async () => (await postgres.pool.query(listening, [name, plan.statement])).rowCount === 1)
    postgres.hang()
    expect(
      await within(
        10_000,
        listener.close().then(() => 'closed'),
        'hangs',
      ),
    ).toBe('closed')
  })

  test('hundreds of webhooks and readers hear so, one as soon as the other, and nothing is stored by halves', async () => {
    await Promise.all(Array.from({ length: 10 }, () => pool.query('select pg_sleep(0.01)')))
    postgres.hang()
    const webhooks = Array.from({ length: 150 }, (_, n) => post(`msg_many_${n}`, payload(`many-${n}`)))
    const page = api.app.inject({ url: `/newsrooms/${newsroom.slug}`, headers: { accept: 'text/html' } })
    const ready = await api.app.inject('/readyz')
    expect([ready.statusCode, ready.json().errors]).toEqual([
      503,
      [{ pointer: '/database', detail: 'The database does not answer.' }],
    ])
    expect((await api.app.inject('/livez')).statusCode).toBe(200)
    const answers = await Promise.all(webhooks)
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([503]))
    expect((await page).statusCode).toBe(503)
    expect((await page).body).toContain('We cannot answer just now')

    postgres.goOn()
    const body = payload('many-7')
    expect(
      (await until('it answers again', async () => (await api.app.inject('/readyz')).statusCode === 200)) || null,
    ).toBe(true)
    expect((await post('msg_many_7', body)).statusCode).toBe(202)
    expect(await releases('many-7')).toHaveLength(1)
  })

  test('webhooks that wait for it take so much memory and no more', async () => {
    const patient = openPool({ url: postgres.server.url, name: 'patient', most: 1, onError: () => {} })
    await patient.query('select 1')
    const another = await openTestApi(patient)
    const megabyte = 'x'.repeat(1024 * 1024)
    const headers = { ...signedHeaders(secret, 'msg_large', ''), 'content-type': 'text/plain' }
    postgres.hang()
    let answered = 0
    const flood = Array.from({ length: 80 }, async () => {
      const url = `/webhooks/newsrooms/${newsroom.slug}/releases`
      const { statusCode } = await another.app.inject({ method: 'POST', url, headers, payload: megabyte })
      answered += 1
      return statusCode
    })
    await until('those there is no room for are told so at once', () => answered === 16)
    postgres.goOn()
    const statuses = await Promise.all(flood)
    // The rest are found not to be signed.
    expect([503, 401].map((wanted) => statuses.filter((status) => status === wanted).length)).toEqual([16, 64])
    await another.app.close()
    await patient.end()
  })

  test('however many ask whether the api is ready, the database is asked once', async () => {
    asked.length = 0
    const answers = await Promise.all(Array.from({ length: 100 }, () => api.app.inject('/readyz')))
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['{"status":"ok"}']))
    expect(asked.length).toBeLessThan(5)
  })

  test('a server that may only be read is not asked over the same connection again, and is not ready', async () => {
    const database = new URL(postgres.server.url).pathname.slice(1)
    await postgres.pool.query(`alter database ${database} set default_transaction_read_only = on`)
    const old = openPool({ url: postgres.server.url, name: 'demoted', most: 1, onError: () => {} })
    const demoted = await openTestApi(old)
    try {
      const ready = await demoted.app.inject('/readyz')
      expect([ready.statusCode, ready.json().errors[0].detail]).toEqual([503, 'The database may only be read.'])
      const pidOf = async () => (await old.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid
      const before = await pidOf()
      const body = payload('demoted')
      const answer = await demoted.app.inject({
        method: 'POST',
        url: `/webhooks/newsrooms/${newsroom.slug}/releases`,
        headers: signedHeaders(secret, 'msg_demoted', body),
        payload: body,
      })
      expect(answer.statusCode).toBe(503)
      // Behind the same name there is another server by now, which a new connection finds.
      await postgres.pool.query(`alter database ${database} reset default_transaction_read_only`)
      expect(await pidOf()).not.toBe(before)
    } finally {
      await demoted.app.close()
      await old.end()
    }
  })

  test('the pool is closed without waiting for what it does not answer', async () => {
    const another = openPool({ url: postgres.server.url, name: 'closing', most: 1, onError: () => {} })
    await another.query('select 1')
    postgres.hang()
    let isAnswered = false
    const stuck = another.query('select 2').then(() => {
      isAnswered = true
    })
    // Until then it has not even been asked.
    await new Promise((resolve) => setImmediate(resolve))
    await closePool(another)
    expect(isAnswered).toBe(false)
    postgres.goOn()
    await stuck
  })
})
