import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Pool } from '../../shared/postgres/pool.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { givenFollower, type ReaderHouse, readerHouse } from '../rig/reader-house.ts'

let database: TestDatabase
let pool: Pool
let house: ReaderHouse
let before: string

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
  house = await readerHouse(pool)
  await givenFollower(house, await givenNewsroom(pool), 'kari@example.org')
})
afterAll(async () => {
  await house.app.close()
  await database.close()
})

const log = async () =>
  (await pool.query('select jsonb_agg(c order by id)::text as all from consent_log c')).rows[0].all
beforeEach(async () => {
  before = await log()
})

test.each([
  ['rewrites what was agreed to', `update consent_log set wording = 'anything'`],
  ['rewrites when', 'update consent_log set at = now()'],
  ['changes an origin for another', `update consent_log set origin_hash = '\\x00'`],
  ['lets an origin go and slips something else through', `update consent_log set origin_hash = null, act = 'ended'`],
  ['deletes', 'delete from consent_log'],
  ['empties the table', 'truncate consent_log'],
  ['claims to replicate', `set session_replication_role = 'replica'; delete from consent_log`],
])('the log of consent refuses whoever %s, with the rights our own code has', async (_what, statement) => {
  const client = await pool.connect()
  await expect(client.query(statement)).rejects.toMatchObject({ code: '23001' })
  await client.query(`set session_replication_role = 'origin'`)
  client.release()
  expect(await log()).toBe(before)
})

test('what was agreed to is there: who, when, in which words of which version, where, and from where', async () => {
  const { rows } = await pool.query('select * from consent_log order by id')
  expect(rows.map(({ act, door }) => [act, door])).toEqual([
    ['requested', 'newsroom-page'],
    ['confirmed', 'confirm-page'],
  ])
  expect(rows[0]).toMatchObject({
    language: 'nb',
    wording: expect.stringMatching(/^\d{4}-\d{2}: .*Havneby kommune/),
    form_url: expect.stringContaining('https://press.example/newsrooms/'),
    at: expect.any(Date),
  })
  expect(rows[0].origin_hash).toHaveLength(32)
  expect(rows[1]).toMatchObject({
    wording: expect.stringMatching(/^\d{4}-\d{2}: Ja, følg Havneby kommune$/),
    form_url: 'https://press.example/confirm',
  })
})

test('an origin may be let go, and nothing else of the row with it', async () => {
  await pool.query('update consent_log set origin_hash = null')
  const { rows } = await pool.query(
    'select act, wording is not null as has_words, origin_hash from consent_log order by id',
  )
  expect(rows[0]).toEqual({ act: 'requested', has_words: true, origin_hash: null })
})
