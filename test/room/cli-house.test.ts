import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addSubscribers } from '../../shared/subscriber/add-subscribers.sql.ts'
import { addressHashKey, hashAddress } from '../../shared/subscriber/address-hash.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { emptyFolder, type Typed, type } from './cli-rig.ts'

const secretKey = 'a-secret-key-for-tests-long-enough-to-pass'
const source = 'Paper list at the harbour meeting, archive 26/118'
let postgres: TestDatabase
let env: Record<string, string>

beforeAll(async () => {
  postgres = await openTestDatabase()
  env = { DATABASE_URL: postgres.url, SECRET_KEY: secretKey }
})
afterAll(() => postgres.close())
beforeEach(async () => {
  await postgres.pool.query(
    `alter table consent_log disable trigger consent_log_stands;
     truncate newsrooms, newsroom_keys, subscribers, subscriptions, consent_log, suppressions restart identity cascade;
     alter table consent_log enable always trigger consent_log_stands`,
  )
})

const run = (line: string, typed: Typed = {}) => type(words(line), { ...typed, env: { ...env, ...typed.env } })
// Enough of a shell for these lines: words by blank, quotes keep them together.
const words = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
const makeHavna = () =>
  run(
    'newsroom create havna --name "Havna kommune" --languages nb,nn --sender-address presse@havna.example --postal-address "Kaien 1, 9990 Havna"',
  )

describe('newsrooms', () => {
  test('one made from options is listed and shown with what was left out filled in', async () => {
    const made = await makeHavna()
    expect(made).toMatchObject({ exit: 0, err: '' })
    expect(made.out).toContain('pressebud key create --newsroom havna')
    expect((await run('newsroom list')).out).toMatch(/havna +Havna kommune +nb, nn +presse@havna.example/)
    expect((await run('newsroom show havna --json')).json()).toMatchObject({
      slug: 'havna',
      defaultLanguage: 'nb',
      zone: 'Europe/Oslo',
      legalName: 'Havna kommune',
      readers: 0,
    })
  })

  test('the example file makes one, its logo pointing at the public address', async () => {
    const example = join(import.meta.dirname, '../../examples/newsroom.json')
    const made = await run(`newsroom create --file ${example} --json`, { env: { PUBLIC_URL: 'https://press.example' } })
    expect(made.json()).toMatchObject({
      slug: 'klyngekontoret',
      logoUrl: 'https://press.example/files/images/logo.png',
      about: { nb: expect.any(String), en: expect.any(String) },
    })
    const nowhere = await run(`newsroom create other --file ${example}`)
    expect(nowhere).toMatchObject({ exit: 2, out: '' })
    expect(nowhere.err).toContain('PUBLIC_URL')
  })

  test('every fault is told at once, and nothing is made', async () => {
    const { exit, err } = await run(
      'newsroom create Havna! --name "Havna" --languages nb --default-language en --sender-address nowhere --postal-address Kaien --accent blue --zone Oslo',
    )
    expect(exit).toBe(2)
    for (const part of ['slug', 'default language', 'time zone', '#rrggbb', 'sender address'])
      expect(err).toContain(part)
    expect((await run('newsroom list --json')).json()).toEqual([])
  })

  test('a taken slug is refused', async () => {
    await makeHavna()
    expect(await makeHavna()).toMatchObject({
      exit: 1,
      out: '',
      err: expect.stringContaining('already a newsroom “havna”'),
    })
  })

  test('one is changed by what it is told, says what that was, and keeps the rest', async () => {
    await makeHavna()
    const before = (await run('newsroom show havna --json')).json() as { id: string }
    const changed = await run(
      'newsroom update havna --name "Havna by" --accent #0b5c6b --website https://havna.example/',
    )
    expect(changed).toMatchObject({ exit: 0, err: '' })
    expect(changed.out).toMatch(
      /name +Havna kommune → Havna by\nwebsite +none → https:\/\/havna.example\/\naccent +#1f4e79 → #0b5c6b\n/,
    )
    expect((await run('newsroom show havna --json')).json()).toEqual({
      ...before,
      ...{ name: 'Havna by', accent: '#0b5c6b', website: 'https://havna.example/' },
    })
    expect((await run('newsroom update havna --name "Havna by"')).out).toContain('nothing was changed')
    expect((await run('newsroom update havna --website "" --json')).json()).toMatchObject({
      newsroom: { website: null },
      changed: ['website'],
    })
  })

  test('topics come from a file, and readers who are left with none of theirs are told of', async () => {
    await makeHavna()
    const file = join(emptyFolder(), 'topics.json')
    const topic = (id: string, name = id) => ({ id, names: { nb: name, nn: name } })
    const write = (value: object) => writeFileSync(file, JSON.stringify(value))
    write({ topics: [topic('sea'), topic('money')] })
    expect((await run(`newsroom update havna --file ${file}`)).out).toMatch(/topics +added sea, money/)
    await run(
      'subscribers add ada@example.com bo@example.com --newsroom havna --language nn --source "a list on paper, 2026"',
    )
    await postgres.pool.query(
      `update subscriptions set topics = '{sea}' where id = (select min(id) from subscriptions)`,
    )
    write({ topics: [topic('money', 'Penger'), topic('town')], languages: ['nb'] })
    const changed = await run(`newsroom update havna --file ${file}`)
    expect(changed.out).toMatch(/topics +added town; removed sea; renamed money/)
    expect(changed.err).toContain('1 reader chose nothing but what was removed')
    expect(changed.err).toContain('2 readers read in a language that was removed, and will get nb')
    expect((await run('newsroom show havna --json')).json()).toMatchObject({
      topics: [topic('money', 'Penger'), topic('town')],
      languages: ['nb'],
    })
  })

  test.each([
    ['newsroom update hanva --name x', 1, 'Did you mean havna?'],
    ['newsroom update havna --accent blue --languages xx', 2, '“xx” is not a language'],
    [
      'newsroom update havna --accent blue --default-language en',
      2,
      'The default language must be one of the languages.',
    ],
    ['newsroom update havna --name ""', 2, 'A newsroom needs --name.'],
    ['newsroom update havna --file {"slug":"other"}', 2, 'keeps its slug'],
    ['newsroom update havna --file {"topcis":[]}', 2, 'The file speaks of topcis'],
  ])('nothing is changed by “%s”', async (line, exit, said) => {
    await makeHavna()
    const file = join(emptyFolder(), 'newsroom.json')
    writeFileSync(file, /--file (.*)$/.exec(line)?.[1] ?? '{}')
    const before = (await run('newsroom show havna --json')).out
    const told = await run(line.replace(/--file .*$/, `--file ${file}`))
    expect([told.exit, told.err]).toEqual([exit, expect.stringContaining(said)])
    expect((await run('newsroom show havna --json')).out).toBe(before)
  })

  test('a mistyped newsroom is answered with the near one', async () => {
    await makeHavna()
    expect((await run('newsroom show hanva')).err).toContain('Did you mean havna?')
    expect((await run('newsroom show sentrum')).err).toContain('There is havna.')
  })
})

describe('keys', () => {
  test('a secret is shown once, on its own line, and never again', async () => {
    await makeHavna()
    const made = await run('key create --newsroom havna --label "CMS, production"')
    expect(made.out).toMatch(/^whsec_[A-Za-z0-9+/]{43}=\n$/)
    const listed = await run('key list --newsroom havna')
    expect(listed.out).toContain('CMS, production')
    expect(listed.out + (await run('key list --newsroom havna --json')).out).not.toContain(made.out.trim().slice(6))
    const { rows } = await postgres.pool.query('select * from newsroom_keys')
    expect(rows[0].sealed.includes(Buffer.from(made.out.trim()))).toBe(false)
  })

  test('a key ends at the hour it is told, and not twice', async () => {
    await makeHavna()
    const { id } = (await run('key create --newsroom havna --label cms --json')).json() as { id: string }
    const now = new Date('2026-11-20T12:00:00Z')
    expect((await run(`key end ${id} --at 2026-11-21T12:00+01:00`, { now })).out).toContain(
      'until 2026-11-21 11:00 UTC',
    )
    expect((await run('key list --newsroom havna', { now })).out).toContain('until 2026-11-21 11:00 UTC')
    expect((await run(`key end ${id}`, { now })).out).toContain('signs no more')
    expect(await run(`key end ${id}`, { now })).toMatchObject({
      exit: 1,
      err: expect.stringContaining('ended already'),
    })
  })

  test.each([
    ['key end not-a-key', 'not a key'],
    ['key end 01935a7e-0000-7000-8000-000000000000 --at 2026-12-01T12:00', 'offset'],
    ['key end 01935a7e-0000-7000-8000-000000000000 --at 2020-12-01T12:00Z', 'past'],
  ])('%s is asked wrongly', async (line, told) => {
    expect(await run(line, { now: new Date('2026-11-20T12:00:00Z') })).toMatchObject({
      exit: 2,
      err: expect.stringContaining(told),
    })
  })
})

describe('subscribers', () => {
  const add = (addresses: string, typed: Typed = {}) =>
    run(`subscribers add ${addresses} --newsroom havna --language nb --source "${source}" --json`, typed)

  test('readers are added once each, confirmed, with the source of their consent', async () => {
    await makeHavna()
    expect((await add('ada@example.com Bo@example.com bo@EXAMPLE.com')).json()).toMatchObject({
      read: 3,
      added: 2,
      alreadyFollowing: 1,
    })
    expect((await add('ada@example.com')).json()).toMatchObject({ added: 0, alreadyFollowing: 1 })
    const { rows } = await postgres.pool.query(
      `select r.address, s.state, s.language, c.act, c.wording, c.newsroom_id = s.newsroom_id as fits
         from consent_log c join subscriptions s on s.id = c.subscription_id join subscribers r on r.id = c.subscriber_id
        order by r.address_key`,
    )
    const same = { state: 'active', language: 'nb', act: 'imported', wording: source, fits: true }
    expect(rows).toEqual([
      { address: 'ada@example.com', ...same },
      { address: 'Bo@example.com', ...same },
    ])
    expect((await run('newsroom show havna --json')).json()).toMatchObject({ readers: 2 })
  })

  test('whoever has left, waits to confirm or is suppressed stays as they are', async () => {
    await makeHavna()
    await add('left@example.com waits@example.com')
    await postgres.pool.query(`update subscriptions set state = case id when 1 then 'ended' else 'pending' end`)
    const hash = hashAddress(addressHashKey([secretKey]), 'erased@example.com')
    await postgres.pool.query(`insert into suppressions values ($1, 'erased', now(), null)`, [hash])
    const again = await add('left@example.com waits@example.com erased@example.com new@example.com')
    expect(again.json()).toMatchObject({
      added: 1,
      left: 1,
      awaitingConfirmation: 1,
      suppressed: 1,
      alreadyFollowing: 0,
    })
    const { rows } = await postgres.pool.query(
      `select count(*)::int as n from subscribers where address like 'erased%'`,
    )
    expect(rows[0].n).toBe(0)
    const counted = (await run('subscribers count --newsroom havna')).out
    expect(counted).toMatch(/^nb +1 +1 +1$/m)
  })

  test('thousands come in by standard input, and what is no address is told by line without stopping the rest', async () => {
    await makeHavna()
    const lines = Array.from({ length: 2_500 }, (_, n) => `reader${n}@example.com`)
    lines[1_200] = 'not an address'
    const { exit, json, err } = await add('-', { input: `# from the old sender\r\n${lines.join('\r\n')}\r\n\r\n` })
    expect(exit).toBe(1)
    expect(json()).toMatchObject({
      read: 2_500,
      added: 2_499,
      notValid: 1,
      unreadable: [{ line: 1_202, text: 'not an address' }],
    })
    expect(err).toContain('1 address is not valid')
  })

  test('the same list added by two operators at once is one list', async () => {
    await makeHavna()
    const people = Array.from({ length: 3_000 }, (_, n) => `reader${n}@example.com`)
    const [one, two] = await Promise.all([
      add('-', { input: people.join('\n') }),
      add('-', { input: people.toReversed().join('\n') }),
    ])
    expect([one.err, two.err]).toEqual(['', ''])
    const added = [one, two].map((shown) => (shown.json() as { added: number }).added)
    expect(added[0]! + added[1]!).toBe(3_000)
  })

  test('two batches of the same people in opposite order wait for each other instead of deadlocking', async () => {
    const key = addressHashKey([secretKey])
    const readers = Array.from({ length: 20_000 }, (_, n) => {
      const address = `reader${n}@example.com`
      return { address, addressKey: address, addressHash: hashAddress(key, address) }
    })
    const now = new Date()
    await Promise.all([
      addSubscribers(postgres.pool, readers, now),
      addSubscribers(postgres.pool, readers.toReversed(), now),
    ])
    const { rows } = await postgres.pool.query('select count(*)::int as n from subscribers')
    expect(rows[0].n).toBe(20_000)
  })

  test.each([
    ['--newsroom havna --language nb', 2, '--source'],
    ['--newsroom havna --language nb --source "a list"', 2, 'where these readers agreed'],
    [`--newsroom havna --language xx --source "${source}"`, 2, 'nb, nn'],
    [`--newsroom havna --language fi --source "${source}"`, 1, 'does not write in fi'],
    [`--newsroom havnen --language nb --source "${source}"`, 1, 'Did you mean havna?'],
  ])('with %s nobody is added', async (options, exit, told) => {
    await makeHavna()
    expect(await run(`subscribers add ada@example.com ${options}`)).toMatchObject({
      exit,
      err: expect.stringContaining(told),
    })
    expect((await run('subscribers count --newsroom havna --json')).json()).toEqual([])
  })
})

test('without DATABASE_URL the installation that runs here is used, and never half of it', async () => {
  const dataDir = emptyFolder()
  writeFileSync(join(dataDir, 'standalone.json'), JSON.stringify({ databaseUrl: postgres.url, secretKey }))
  expect(await type(['newsroom', 'list', '--json'], { env: { DATA_DIR: dataDir } })).toMatchObject({
    exit: 0,
    out: '[]\n',
  })
  await makeHavna()
  const half = { DATA_DIR: dataDir, DATABASE_URL: `${postgres.url}?elsewhere` }
  const refused = await type(['key', 'create', '--newsroom', 'havna', '--label', 'cms'], { env: half })
  expect(refused).toMatchObject({ exit: 2, err: expect.stringContaining('SECRET_KEY is not set') })
})
