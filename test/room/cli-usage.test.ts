import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { nearNames } from '../../services/cli/near-names.ts'
import { paintOf, tableOf } from '../../services/cli/terminal.ts'
import { emptyFolder, type } from './cli-rig.ts'

describe('help', () => {
  test('teaches the way from nothing to a first release', async () => {
    const { exit, out, err } = await type(['--help'])
    expect({ exit, err }).toEqual({ exit: 0, err: '' })
    for (const command of ['newsroom create', 'key create', 'subscribers add', 'publish'])
      expect(out).toContain(`pressebud ${command}`)
  })

  test.each([
    'newsroom create',
    'newsroom list',
    'newsroom show',
    'key create',
    'key list',
    'key end',
    'publish',
    'subscribers add',
    'subscribers count',
    'mailing list',
    'mailing show',
    'mailing pause',
    'mailing resume',
    'mailing cancel',
    'mailing settle',
    'mailing restore-readers',
    'pace list',
    'pace free',
    'demo',
  ])('of %s offers JSON', async (command) => {
    const { exit, out } = await type([...command.split(' '), '--help'])
    expect(exit).toBe(0)
    expect(out).toContain('--json')
  })
})

describe('asked wrongly', () => {
  test.each([
    [[], 'Usage'],
    [['newsroom'], 'Usage'],
    [['newsrooom', 'list'], 'Did you mean newsroom?'],
    [['newsroom', 'lits'], 'Did you mean list?'],
    [['newsroom', 'list', '--jsn'], 'Did you mean --json?'],
    [['newsroom', 'show'], 'slug'],
    [['key', 'create'], '--newsroom'],
    [['newsroom', 'list', 'more'], 'Too many arguments'],
  ])('%j ends with 2 and says why, once', async (args, told) => {
    const { exit, out, err } = await type(args)
    expect({ exit, out }).toEqual({ exit: 2, out: '' })
    expect(err).toContain(told)
    expect(err).not.toMatch(/\n {4}at |error: /)
    expect(err.split(told)).toHaveLength(2)
  })

  test('in JSON, the complaint is JSON too and stays off standard output', async () => {
    const { exit, out, err } = await type(['newsroom', 'show', '--json'])
    expect({ exit, out }).toEqual({ exit: 2, out: '' })
    expect(JSON.parse(err)).toMatchObject({ error: expect.stringContaining('slug') })
  })
})

describe('without a database', () => {
  test('one line says how to get one', async () => {
    const { exit, err } = await type(['newsroom', 'list'])
    expect(exit).toBe(2)
    expect(err).toContain('DATABASE_URL is not set')
    expect(err).toContain('npm start')
  })

  test('one that does not answer is told plainly, by whichever name it is called', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      const { exit, err } = await type(['newsroom', 'list'], {
        env: { DATABASE_URL: `postgres://u:hidden@${host}:1/x` },
      })
      expect(exit).toBe(1)
      expect(err).toContain('The database does not answer.')
      expect(err).not.toContain('hidden')
    }
  })

  test('a setting that makes no sense is told without its value', async () => {
    const { exit, err } = await type(['newsroom', 'list'], { env: { DATABASE_URL: 'mysql://u:hidden@h/x' } })
    expect(exit).toBe(2)
    expect(err).toMatch(/DATABASE_URL must start with postgres/)
    expect(err).not.toContain('hidden')
  })

  test('a broken standalone.json is told, not guessed at', async () => {
    const dataDir = join(emptyFolder(), 'data')
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'standalone.json'), '{"databaseUrl"')
    await expect(type(['newsroom', 'list'], { env: { DATA_DIR: dataDir } })).rejects.toThrow('is not whole')
  })
})

test.each([
  ['hanva', ['havna']],
  ['hav', ['havna', 'havnevesenet']],
  ['klyngekontor', ['klyngekontoret']],
  ['x', []],
  ['fylkesbiblioteket', []],
])('%s may have meant %j', (typed, meant) => {
  expect(nearNames(typed, ['havnevesenet', 'havna', 'klyngekontoret'])).toEqual(meant)
})

test('a table keeps its columns when a cell holds letters outside ASCII or control characters', () => {
  const table = tableOf(
    paintOf(false),
    ['Slug', 'Name'],
    [
      ['å', 'Ålesund\u001b[31m'],
      ['bø', 'Bø'],
    ],
  )
  expect(table).toBe('Slug  Name\nå     Ålesund [31m\nbø    Bø\n')
})
