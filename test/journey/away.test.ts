import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linkKeys, sealToken } from '../../shared/links/token.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { testSecrets } from '../given/secrets.ts'
import { releaseBody, signedHeaders } from '../given/webhook.ts'
import { entries } from '../rig/entries.ts'
import { signal } from '../rig/hand-over.ts'
import { type HungPostgres, openHungPostgres } from '../rig/hung-postgres.ts'
import { type Installation, startInstallation } from '../rig/installation.ts'
import { endProgram, findProgram } from '../rig/programs.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'
import { until } from '../rig/until.ts'

const hasRedis = findProgram('redis-server') !== null || findProgram('valkey-server') !== null

/** Real processes, as they ship, and what they stand on stopped under them: nothing is answered, nothing is refused. */
describe.skipIf(process.platform !== 'linux' || !hasRedis)('an installation', () => {
  let postgres: HungPostgres
  let house: Installation
  let inbox: RecordingInbox
  let api: ChildProcess
  let workers: ChildProcess

  beforeAll(async () => {
    postgres = await openHungPostgres()
    house = await startInstallation(entries, { redis: true, database: postgres.server })
    inbox = await openRecordingInbox()
    ;[api, workers] = await Promise.all([house.startApi(), house.startWorkers(inbox.url)])
  })
  afterAll(async () => {
    house.redis!.child.kill('SIGCONT')
    postgres.goOn()
    await house.close()
    await inbox.close()
    await postgres.close()
  })

  const bodyOf = (externalId: string) => JSON.stringify(releaseBody({ externalId }))
  /** As patient as a sender of webhooks. */
  const patient = () => ({ signal: AbortSignal.timeout(15_000) })
  const ask = (path: string) => fetch(`${house.api}${path}`, patient())
  const post = (path: string, body: string | URLSearchParams, headers: Record<string, string> = {}) =>
    fetch(`${house.api}${path}`, { ...patient(), method: 'POST', body, headers })
  const publish = (webhookId: string, body: string) =>
    post(
      `/webhooks/newsrooms/${house.newsroom.slug}/releases`,
      body,
      signedHeaders(house.newsroom.secret, webhookId, body),
    )
  const signUp = (email: string) =>
    post(`/newsrooms/${house.newsroom.slug}/subscriptions`, JSON.stringify({ email }), {
      'content-type': 'application/json',
    })
  const readers = (addresses: string[]) =>
    givenReaders(house.pool, { ...(house.newsroom as unknown as Newsroom), defaultLanguage: 'nb' }, addresses)
  const leave = (id: string) =>
    post(
      `/unsubscribe/${sealToken(linkKeys(testSecrets), 'unsubscribe', [BigInt(id), 0n, 0n])}`,
      new URLSearchParams('List-Unsubscribe=One-Click'),
    )
  const readyz = async () => {
    const answer = await ask('/readyz')
    return [answer.status, (await answer.json()) as { status: string; errors?: unknown }] as const
  }
  const said = (name: string) => readFileSync(join(house.folder, name), 'utf8')

  test('whose Redis hangs publishes, signs up and lets go as ever, says so, and catches up by itself', async () => {
    const [stays, leaves] = await readers(['stays@example.org', 'leaves@example.org'])
    expect(await readyz()).toEqual([200, { status: 'ok' }])
    house.redis!.child.kill('SIGSTOP')

    expect(await readyz()).toEqual([200, { status: 'degraded', queue: 'away' }])
    expect((await ask('/livez')).status).toBe(200)
    const doors = await Promise.all([
      publish('msg_1', bodyOf('during')),
      signUp('new@example.org'),
      leave(leaves!.subscriptionId),
    ])
    expect(doors.map(({ status }) => status)).toEqual([202, 202, 200])

    house.redis!.child.kill('SIGCONT')
    await until('the release is in the mailbox', () => inbox.received.some(({ to }) => to === stays!.address))
    await until('the newcomer is asked', () => inbox.received.some(({ to }) => to === 'new@example.org'))
    expect(inbox.received.filter(({ to }) => to === leaves!.address)).toEqual([])
    await until('it says so', async () => (await readyz())[0] === 200 && (await readyz())[1].status === 'ok')
  })

  test('whose PostgreSQL hangs tells a sender in time, and takes the same webhook once when it is back', async () => {
    const body = bodyOf('hung')
    postgres.hang()
    const sent = Array.from({ length: 40 }, (_, n) =>
      publish(n === 0 ? 'msg_2' : `msg_2_${n}`, n === 0 ? body : bodyOf(`hung-${n}`)),
    )
    const [status, problem] = await readyz()
    expect([status, problem.errors]).toEqual([503, [{ pointer: '/database', detail: 'The database does not answer.' }]])
    expect((await ask('/livez')).status).toBe(200)
    for (const answer of await Promise.all(sent)) {
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        503,
        'application/problem+json; charset=utf-8',
      ])
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    postgres.goOn()
    await until('it is ready', async () => (await readyz())[0] === 200)
    expect((await publish('msg_2', body)).status).toBe(202)
    const { rows } = await house.pool.query(`select from releases where external_id = 'hung'`)
    expect(rows).toHaveLength(1)
  })

  test('is told to stop while Redis hangs, and PostgreSQL under the doors too, and ends in order', async () => {
    await readers(['last@example.org'])
    await until('nothing is left to do', async () => {
      const { rowCount } = await house.pool.query(`select from mailings where state <> 'done'`)
      return rowCount === 0
    })
    const { given: itMayGoOn, give: goOn } = signal()
    const before = inbox.received.length
    let begun = false
    inbox.onMailFrom = () => {
      begun = true
      return itMayGoOn
    }
    expect((await publish('msg_3', bodyOf('last'))).status).toBe(202)
    await until('a letter is under way', () => begun)
    house.redis!.child.kill('SIGSTOP')
    goOn()
    await until('it is in the mailbox', () => inbox.received.length > before)
    // The job ends, and Redis does not hear of it; nor of this hint, which is under way as both are stopped.
    expect((await publish('msg_4', bodyOf('unheard'))).status).toBe(202)
    await endProgram(workers, 'SIGTERM')
    postgres.hang()
    expect((await ask('/livez')).status).toBe(200)
    await endProgram(api, 'SIGTERM')
    // One that is cut short after its grace ends with 1.
    expect([workers.exitCode, api.exitCode]).toEqual([0, 0])
    for (const log of ['api-1.log', 'workers-2.log']) expect(said(log)).not.toMatch(/stops on a fault|unhandled/i)
  })
})
