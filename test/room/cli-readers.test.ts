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

test('bar ends all an address follows and keeps it from every letter, a confirmation too, until it is unbarred', async () => {
  await givenFollower(house, newsroom, 'calls@example.org')
  const confirmations = async (address: string) => {
    const { rowCount } = await database.pool.query(
      `select from notices n join subscriptions s on s.id = n.subscription_id join subscribers b on b.id = s.subscriber_id
        where b.address = $1`,
      [address],
    )
    return rowCount
  }
  const before = await confirmations('calls@example.org')
  expect((await run('bar', 'Calls@Example.org')).out).toBe('✓ Barred. 1 subscription ended.\n')
  expect((await run('bar', 'calls@example.org', '--json')).json()).toEqual({ ended: 0 })
  expect((await run('show', 'calls@example.org')).out).toMatch(
    /Suppressed as operator(.|\n)*ended \(operator\)(.|\n)*ended +operator/,
  )
  await follow(house, newsroom, 'calls@example.org')
  expect(await confirmations('calls@example.org')).toBe(before)
  const list = ['--newsroom', 'havna', '--language', 'nb', '--source', 'A list we keep.']
  expect((await run('add', 'calls@example.org', ...list)).out).toContain('1 reader suppressed: not added.')

  expect((await run('unbar', 'calls@example.org')).out).toContain('it was suppressed as operator')
  expect((await run('unbar', 'calls@example.org')).out).toBe('Nothing barred it.\n')
  // Also one nobody knew.
  for (const word of ['bar', 'unbar']) expect(await run(word, 'new@example.org')).toMatchObject({ exit: 0 })
  await follow(house, newsroom, 'new@example.org')
  expect(await confirmations('new@example.org')).toBe(1)
})

test('unbar leaves who was erased as they wished', async () => {
  await run('erase', 'gone@example.org', '--yes')
  expect(await run('unbar', 'gone@example.org')).toMatchObject({
    exit: 1,
    out: '',
    err: expect.stringContaining('signing up'),
  })
  expect((await run('show', 'gone@example.org')).out).toContain('Suppressed as erased')
  // Whatever an operator said, before it or after.
  for (const [first, then] of [
    ['bar', 'erase'],
    ['erase', 'bar'],
  ] as const) {
    const address = `${first}@example.org`
    for (const word of [first, then]) await run(word, address, ...(word === 'erase' ? ['--yes'] : []))
    expect((await run('show', address)).out).toContain('Suppressed as operator')
    expect((await run('unbar', address)).exit).toBe(1)
    expect((await run('show', address)).out).toContain('Suppressed as erased')
  }
})
