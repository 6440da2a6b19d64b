import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findNewsroom, insertNewsroom, listNewsrooms } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom, NewsroomId } from '../../shared/newsroom/newsroom.ts'
import { endKey, insertKey, listKeys, liveKeys, liveSecrets } from '../../shared/newsroom/newsroom-key.sql.ts'
import type { NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import {
  makeSecret,
  openSecret,
  SecretNotOpened,
  sealingKeys,
  sealSecret,
} from '../../shared/newsroom/webhook-secret.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

const old = sealingKeys(['the first secret key, thirty-two long'])
const rotated = sealingKeys(['a newer secret key, thirty-two long..', 'the first secret key, thirty-two long'])
const newId = () => uuidv7() as NewsroomKeyId

describe('a webhook secret', () => {
  test('is 32 random bytes behind whsec_', () => {
    const secret = makeSecret()
    expect(secret).toMatch(/^whsec_/)
    expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
    expect(makeSecret()).not.toBe(secret)
  })

  test('sealed before a rotation opens after it, and one sealed after opens under the new key alone', () => {
    const id = newId()
    expect(openSecret(rotated, id, sealSecret(old, id, 'whsec_a'))).toBe('whsec_a')
    const after = sealSecret(rotated, id, 'whsec_b')
    expect(openSecret(rotated.slice(0, 1), id, after)).toBe('whsec_b')
    expect(() => openSecret(old, id, after)).toThrow(SecretNotOpened)
  })

  test('copied to another key’s row does not open there', () => {
    const sealed = sealSecret(old, newId(), makeSecret())
    expect(() => openSecret(old, newId(), sealed)).toThrow(/SECRET_KEY/)
  })

  test('changed in any byte, or cut short, does not open', () => {
    const id = newId()
    const sealed = sealSecret(old, id, makeSecret())
    for (let byte = 0; byte < sealed.length; byte++) {
      const changed = Buffer.from(sealed)
      changed[byte]! ^= 1
      expect(() => openSecret(old, id, changed)).toThrow(SecretNotOpened)
    }
    for (const length of [0, 11, 27, sealed.length - 1])
      expect(() => openSecret(old, id, sealed.subarray(0, length))).toThrow(SecretNotOpened)
  })
})

describe('in the database', () => {
  let postgres: TestDatabase
  beforeAll(async () => {
    postgres = await openTestDatabase()
  })
  afterAll(() => postgres.close())

  const now = new Date('2026-11-20T12:00:00Z')
  const later = (hours: number) => new Date(now.getTime() + hours * 3_600_000)

  test('a newsroom is found again as it was written, and its slug is taken', async () => {
    const newsroom = aNewsroom('havna')
    expect(await insertNewsroom(postgres.pool, newsroom, now)).toBe(true)
    expect(await findNewsroom(postgres.pool, 'havna')).toEqual(newsroom)
    expect(await insertNewsroom(postgres.pool, aNewsroom('havna'), now)).toBe(false)
    expect(await findNewsroom(postgres.pool, 'havn')).toBeNull()
    await insertNewsroom(postgres.pool, aNewsroom('elva'), now)
    expect((await listNewsrooms(postgres.pool)).map(({ slug }) => slug)).toEqual(['elva', 'havna'])
  })

  test('two keys sign side by side until the older one ends, and an ended key never signs again', async () => {
    const newsroom = aNewsroom('rotasjon')
    await insertNewsroom(postgres.pool, newsroom, now)
    const [first, second] = [newId(), newId()]
    await insertKey(
      postgres.pool,
      newsroom.id,
      { id: first, label: 'old', sealed: sealSecret(old, first, 'whsec_1') },
      now,
    )
    const sealed = sealSecret(rotated, second, 'whsec_2')
    await insertKey(postgres.pool, newsroom.id, { id: second, label: 'new', sealed }, later(1))

    const secretsAt = (at: Date) => liveSecrets(postgres.pool, rotated, newsroom.id, at)
    expect(await secretsAt(later(2))).toEqual(['whsec_2', 'whsec_1'])
    expect((await endKey(postgres.pool, first, later(24), later(2)))?.endedAt).toEqual(later(24))
    expect(await secretsAt(later(23.99))).toEqual(['whsec_2', 'whsec_1'])
    expect(await secretsAt(later(24))).toEqual(['whsec_2'])
    expect(await endKey(postgres.pool, first, later(48), later(25))).toBeNull()
    expect((await liveKeys(postgres.pool, newsroom.id, later(25))).map(({ id }) => id)).toEqual([second])
    expect((await listKeys(postgres.pool, newsroom.id)).map(({ label }) => label)).toEqual(['new', 'old'])
  })

  test('a key that does not open is passed over, and is a fault where there is no other', async () => {
    const newsroom = aNewsroom('bytte')
    await insertNewsroom(postgres.pool, newsroom, now)
    const [lost, good] = [newId(), newId()]
    const gone = sealingKeys(['a secret key that is gone, thirty-two'])
    await insertKey(postgres.pool, newsroom.id, { id: lost, label: 'lost', sealed: sealSecret(gone, lost, 'x') }, now)
    await expect(liveSecrets(postgres.pool, rotated, newsroom.id, now)).rejects.toThrow(SecretNotOpened)
    const sealed = sealSecret(old, good, 'whsec_1')
    await insertKey(postgres.pool, newsroom.id, { id: good, label: 'good', sealed }, now)
    expect(await liveSecrets(postgres.pool, rotated, newsroom.id, now)).toEqual(['whsec_1'])
  })

  test('no newsroom’s secrets are opened for another', async () => {
    const newsroom = aNewsroom('nabo')
    await insertNewsroom(postgres.pool, newsroom, now)
    expect(await liveSecrets(postgres.pool, rotated, newsroom.id, now)).toEqual([])
  })
})

const aNewsroom = (slug: string): Newsroom => ({
  id: uuidv7() as NewsroomId,
  slug,
  name: 'Havna kommune',
  languages: ['nb', 'se'],
  defaultLanguage: 'nb',
  zone: 'Europe/Oslo',
  senderAddress: 'presse@havna.example',
  senderName: 'Havna kommune',
  replyTo: null,
  legalName: 'Havna kommune',
  postalAddress: 'Kaien 1, 9990 Havna',
  website: null,
  logoUrl: null,
  accent: '#1f4e79',
  about: { nb: 'Kommunen ved «havna».', se: 'Gielda hámmana lahka.' },
  topics: [],
  digestHour: 8,
  digestWeekday: 1,
  allowedOrigins: [],
})
