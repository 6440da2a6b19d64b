import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openTestApi } from '../rig/api.ts'
import { openDesk } from '../rig/ops-desk.ts'

/** What Node.js, pg and PostgreSQL say when nothing can be asked of a database, or nothing written. */
const faults: readonly [string, Record<string, string>][] = [
  ['connect ECONNREFUSED 127.0.0.1:5432', { code: 'ECONNREFUSED', syscall: 'connect' }],
  ['read ECONNRESET', { code: 'ECONNRESET', syscall: 'read' }],
  ['write EPIPE', { code: 'EPIPE', syscall: 'write' }],
  ['connect ETIMEDOUT 10.0.0.9:5432', { code: 'ETIMEDOUT', syscall: 'connect' }],
  ['getaddrinfo ENOTFOUND db.example', { code: 'ENOTFOUND', syscall: 'getaddrinfo' }],
  ['getaddrinfo EAI_AGAIN db.example', { code: 'EAI_AGAIN', syscall: 'getaddrinfo' }],
  ['connect EHOSTUNREACH 10.0.0.9:5432', { code: 'EHOSTUNREACH', syscall: 'connect' }],
  ['connect ENETUNREACH 10.0.0.9:5432', { code: 'ENETUNREACH', syscall: 'connect' }],
  ['connect ENOENT /var/run/postgresql/.s.PGSQL.5432', { code: 'ENOENT', syscall: 'connect' }],
  ['server conn crashed?', { code: '08P01' }],
  ['connection failure', { code: '08006' }],
  ['cannot execute INSERT in a read-only transaction', { code: '25006' }],
  ['terminating connection due to idle-in-transaction timeout', { code: '25P03' }],
  ['password authentication failed for user "pressebud"', { code: '28P01' }],
  ['no pg_hba.conf entry for host "10.0.0.7"', { code: '28000' }],
  ['database "pressebud" does not exist', { code: '3D000' }],
  ['could not extend file "base/5/16422": No space left on device', { code: '53100' }],
  ['out of memory', { code: '53200' }],
  ['sorry, too many clients already', { code: '53300' }],
  ['canceling statement due to statement timeout', { code: '57014' }],
  ['terminating connection due to administrator command', { code: '57P01' }],
  ['terminating connection because of crash of another server process', { code: '57P02' }],
  ['the database system is starting up', { code: '57P03' }],
  ['terminating connection due to idle-session timeout', { code: '57P05' }],
  ['could not read block 7 in file "base/5/16422": Input/output error', { code: '58030' }],
  ['timeout exceeded when trying to connect', {}],
  ['timeout expired', {}],
  ['Connection terminated', {}],
  ['Connection terminated unexpectedly', {}],
  ['Connection terminated due to connection timeout', {}],
  ['Query read timeout', {}],
  ['Client has encountered a connection error and is not queryable', {}],
  ['Client was closed and is not queryable', {}],
  ['Cannot use a pool after calling end on the pool', {}],
]

let fault: Error
/** A database every question of which ends the same way. */
const broken = {
  query: () => Promise.reject(fault),
  connect: () => Promise.reject(fault),
} as unknown as Pool

let api: FastifyInstance
let desk: FastifyInstance
let cookie: string
beforeAll(async () => {
  api = (await openTestApi(broken)).app
  const opened = await openDesk(broken)
  desk = opened.app
  cookie = await opened.login()
})
afterAll(() => Promise.all([api.close(), desk.close()]))

const json = { 'content-type': 'application/json' }
const signed = {
  'webhook-id': 'm',
  'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
  'webhook-signature': 'v1,x',
}

describe.each(faults)('%s', (message, more) => {
  test('is told to programs as 503 with Retry-After, to readers in words, to operators on a page', async () => {
    fault = Object.assign(new Error(message), more)
    const programs = await Promise.all([
      api.inject('/readyz'),
      api.inject('/newsrooms/havna'),
      api.inject({
        method: 'POST',
        url: '/newsrooms/havna/subscriptions',
        headers: json,
        payload: '{"email":"a@b.example"}',
      }),
      api.inject({
        method: 'POST',
        url: '/webhooks/newsrooms/havna/releases',
        headers: { ...json, ...signed },
        payload: '{}',
      }),
    ])
    for (const answer of programs) {
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([
        503,
        'application/problem+json; charset=utf-8',
      ])
      expect(answer.json().type).toBe('urn:pressebud:refusal:too-busy')
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
      expect(answer.body).not.toContain(message)
    }
    const page = await api.inject({ url: '/newsrooms/havna', headers: { accept: 'text/html' } })
    expect([page.statusCode, Number(page.headers['retry-after']) > 0]).toEqual([503, true])
    expect(page.body).toContain('<h1')

    const told = await desk.inject({ url: '/', headers: { accept: 'text/html', cookie } })
    expect([told.statusCode, Number(told.headers['retry-after']) > 0]).toEqual([503, true])
    expect(told.body).toContain('PostgreSQL')
    expect(told.body).not.toContain(message)
  })
})

test('what is wrong with a statement is our fault, and not the database away', async () => {
  for (const code of ['42703', '23505', '22P02', '40P01', 'XX000']) {
    fault = Object.assign(new Error('a mistake of ours'), { code })
    const answer = await api.inject('/newsrooms/havna')
    expect([code, answer.statusCode, answer.json().type]).toEqual([code, 500, 'urn:pressebud:refusal:fault'])
    expect((await desk.inject({ url: '/', headers: { cookie } })).statusCode).toBe(500)
  }
  // A file that is not there has the code of a socket that is not.
  fault = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', syscall: 'open' })
  expect((await api.inject('/newsrooms/havna')).statusCode).toBe(500)
})
