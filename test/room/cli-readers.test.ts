import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { testSecrets } from '../given/secrets.ts'
import { everyRow, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { follow, givenFollower, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'
import { type } from './cli-rig.ts'

let database: TestDatabase
let house: ReaderHouse
let newsroom: Newsroom
let env: Record<string, string>

beforeAll(async () => {
  database = await openTestDatabase()
  env = { DATABASE_URL: database.url, SECRET_KEY: testSecrets[0] }
  house = await readerHouse(database.pool)
  newsroom = await givenNewsroom(database.pool, { slug: 'havna' })
  await givenFollower(house, newsroom, 'ada@example.org')
  await follow(house, newsroom, 'waiting@example.org')
  for (const tricky of ['=1+1@example.org', '+47@example.org', '-x@example.org'])
    await givenFollower(house, newsroom, tricky)
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const run = (...args: string[]) => type(['subscribers', ...args], { env })

test('show tells an operator what is held about an address, in words and in JSON', async () => {
  const told = await run('show', 'Ada@EXAMPLE.org')
  expect(told).toMatchObject({ exit: 0, err: '' })
  expect(told.out).toMatch(/havna +active +nb +immediate +all/)
  expect(told.out).toMatch(/havna +confirmed +confirm-page/)
  expect((await run('show', 'ada@example.org', '--json')).json()).toMatchObject({
    subscribers: [{ address: 'ada@example.org' }],
    subscriptions: [{ newsroom: 'havna', state: 'active' }],
    consents: [{ act: 'requested' }, { act: 'confirmed' }],
  })
  expect((await run('show', 'nobody@example.org')).out).toBe('Nothing is held about it.\n')
  expect(await run('show', 'no address')).toMatchObject({ exit: 2, out: '' })
})

test('export writes CSV that no spreadsheet takes for formulas, and JSON that is exact', async () => {
  const { out } = await run('export', '--newsroom', 'havna', '--state', 'active')
  const lines = out.split('\r\n')
  expect(lines[0]).toBe(
    'address,state,language,frequency,topics,paused_until,requested_at,activated_at,ended_at,ended_reason',
  )
  expect(lines.slice(1, -1).map((line) => line.split(',')[0])).toEqual([
    'ada@example.org',
    "'=1+1@example.org",
    "'+47@example.org",
    "'-x@example.org",
  ])
  const exact = (await run('export', '--newsroom', 'havna', '--json')).out.trim().split('\n')
  expect(exact.map((line) => JSON.parse(line).address)).toEqual([
    'ada@example.org',
    'waiting@example.org',
    '=1+1@example.org',
    '+47@example.org',
    '-x@example.org',
  ])
  expect((await run('export', '--newsroom', 'havn')).err).toContain('havna')
})

test('erase wants a word more than the command, and then leaves a keyed hash that bars an import', async () => {
  const before = await everyRow(database.pool)
  expect(await run('erase', 'ada@example.org')).toMatchObject({ exit: 1, out: '' })
  expect(await everyRow(database.pool)).toBe(before)
  expect((await run('erase', 'ada@example.org', '--yes', '--json')).json()).toEqual({ found: true, ended: 1 })
  expect(await everyRow(database.pool)).not.toContain('ada@example.org')
  const again = await run(
    'add',
    'ada@example.org',
    '--newsroom',
    'havna',
    '--language',
    'nb',
    '--source',
    'A list we keep.',
  )
  expect(again.out).toContain('1 reader left earlier: not brought back.')
  expect((await run('show', 'ada@example.org')).out).toContain('known by its keyed hash')
  // An address we never knew can be barred the same way, before a list brings it.
  expect((await run('erase', 'never@example.org', '--yes', '--json')).json()).toEqual({ found: false, ended: 0 })
})
