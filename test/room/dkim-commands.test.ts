import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readDkim } from '../../shared/dkim/read-dkim.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import { openSigner } from '../../workers/mailer/signer.ts'
import { verifyByMailauth } from '../rig/dkim-verifiers.ts'
import { emptyFolder, type } from './cli-rig.ts'

type Made = { records: { name: string; value: string }[]; settings: Record<string, string> }
const create = (out: string, ...more: string[]) =>
  type(['dkim', 'create', '--domain', 'havna.example', '--selector', '2026-11', '--out', out, ...more])

describe('dkim create', () => {
  test('makes two keys only their owner can read, whose records and settings verify a letter', async () => {
    const folder = join(emptyFolder(), 'keys')
    const { exit, json } = await create(folder, '--json')
    expect(exit).toBe(0)
    const { records, settings } = json() as Made
    expect(readdirSync(folder).sort()).toEqual(['havna.example-2026-11-ed25519.pem', 'havna.example-2026-11.pem'])
    for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    expect(statSync(folder).mode & 0o777).toBe(0o700)

    const { identity, faults, warnings } = readDkim(settings, (path) => readFileSync(path, 'utf8'))
    expect({ faults, warnings }).toEqual({ faults: [], warnings: [] })
    const segments = ['From: <presse@havna.example>\r\nTo: ', '\r\n\r\nHei\r\n'].map((part) => Buffer.from(part))
    const prepared = { language: 'nb', subject: '', segments, slots: ['to'] } as const
    const reader = { to: 'ada@readers.example', messageId: '', date: '', token: '' }
    const signer = openSigner(identity!, () => new Date())
    const letter = [Buffer.from((await signer.sign([{ prepared, reader }]))[0]!), letterBytes(prepared, reader)]
    await signer.close()
    const verified = await verifyByMailauth(Buffer.concat(letter), records)
    expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
  })

  test('says what to publish and what to set, and never a key', async () => {
    const { out, err } = await create(emptyFolder())
    expect(out).toContain('2026-11._domainkey.havna.example')
    expect(out).toContain('2026-11-ed25519._domainkey.havna.example')
    expect(out).toMatch(/^DKIM_SELECTOR=2026-11$/m)
    expect(out + err).not.toContain('PRIVATE')
    const { out: zone } = await create(emptyFolder(), '--zone')
    expect(zone).toMatch(/^2026-11\._domainkey\.havna\.example\. IN TXT \(\n {2}"v=DKIM1; k=rsa; p=/m)
  })

  test('never writes over a key', async () => {
    const folder = emptyFolder()
    await create(folder)
    const before = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
    const { exit, err } = await create(folder)
    expect(exit).toBe(1)
    expect(err).toContain('There is already a key')
    expect(readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))).toEqual(before)
  })

  test.each([
    [['--domain', 'no domain', '--selector', 's1'], 'not a domain'],
    [['--domain', '../etc', '--selector', 's1'], 'not a domain'],
    [['--domain', 'havna.example', '--selector', '../s1'], 'selector'],
    [['--domain', 'havna.example'], '--selector'],
  ])('asked wrongly, %j, makes nothing and says why', async (args, why) => {
    const folder = emptyFolder()
    const { exit, err } = await type(['dkim', 'create', '--out', folder, ...args])
    expect(exit).toBe(2)
    expect(err).toContain(why)
    expect(readdirSync(folder)).toEqual([])
  })

  test('into a folder that cannot be made says so', async () => {
    const file = join(emptyFolder(), 'file')
    writeFileSync(file, '')
    const { exit, err } = await create(join(file, 'keys'))
    expect(exit).toBe(1)
    expect(err).toContain('cannot be written (ENOTDIR)')
  })
})

describe('dkim show', () => {
  test('shows the records of the keys in use', async () => {
    const folder = emptyFolder()
    mkdirSync(folder, { recursive: true })
    const { records, settings } = (await create(folder, '--json')).json() as Made
    const shown = await type(['dkim', 'show', '--json'], { env: settings })
    expect(shown.json()).toEqual({ domain: 'havna.example', records, warnings: [] })
    const { out } = await type(['dkim', 'show'], { env: settings })
    for (const { name, value } of records) expect(out).toContain(`Name   ${name}\nType   TXT\nValue  ${value}\n`)
  })

  test('without settings says that nothing is signed here', async () => {
    const { exit, err } = await type(['dkim', 'show'])
    expect(exit).toBe(1)
    expect(err).toContain('no DKIM setting is set')
  })

  test('with half of them says what is missing, as the workers would', async () => {
    const { exit, err } = await type(['dkim', 'show'], { env: { DKIM_DOMAIN: 'havna.example' } })
    expect(exit).toBe(2)
    expect(err).toContain('DKIM_SELECTOR is not set')
    expect(err).toContain('DKIM_RSA_KEY_FILE is not set')
  })
})
