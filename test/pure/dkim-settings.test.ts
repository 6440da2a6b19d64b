import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readSettings, SettingsFault } from '../../shared/config/read-settings.ts'
import { isAligned } from '../../shared/dkim/alignment.ts'
import { dkimRecord, makeDkimKey, zoneLines } from '../../shared/dkim/dkim-key.ts'
import { type DkimSettings, dkimSettings, readDkim } from '../../shared/dkim/read-dkim.ts'

const rsaOf = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
const pem = { format: 'pem', type: 'pkcs8' } as const
const files: Record<string, string | Buffer> = {
  'rsa.pem': rsaOf(2048).export(pem),
  'rsa-1.pem': rsaOf(2048).export({ format: 'pem', type: 'pkcs1' }),
  'weak.pem': rsaOf(1024).export(pem),
  'feeble.pem': rsaOf(512).export(pem),
  'ed.pem': makeDkimKey('ed25519-sha256').export(pem),
  'locked.pem': rsaOf(1024).export({ ...pem, cipher: 'aes-256-cbc', passphrase: 'secret' }),
  'prose.pem': 'These are the words of no key.',
}
const readFile = (path: string) => {
  const text = files[path]
  if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
  return text.toString()
}
const read = (settings: DkimSettings) => readDkim(settings, readFile)
const whole = { DKIM_DOMAIN: 'havneby.example', DKIM_SELECTOR: 's1', DKIM_RSA_KEY_FILE: 'rsa.pem' }
const both = { ...whole, DKIM_ED25519_SELECTOR: 's2', DKIM_ED25519_KEY_FILE: 'ed.pem' }

describe('the DKIM settings', () => {
  test('sign nothing when none is set', () => {
    expect(read({})).toEqual({ identity: null, faults: [], warnings: [] })
    expect(read({ DKIM_DOMAIN: null, DKIM_SELECTOR: '' })).toEqual({ identity: null, faults: [], warnings: [] })
  })

  test('name one key or two', () => {
    expect(read(whole).identity).toMatchObject({ domain: 'havneby.example', keys: [{ selector: 's1' }] })
    expect(read({ ...whole, DKIM_RSA_KEY_FILE: 'rsa-1.pem' }).identity?.keys).toHaveLength(1)
    const { identity } = read({ ...both, DKIM_DOMAIN: 'Blåbær.example' })
    expect(identity?.domain).toBe('xn--blbr-roah.example')
    expect(identity?.keys.map(({ algorithm }) => algorithm)).toEqual(['rsa-sha256', 'ed25519-sha256'])
  })

  test.each(Object.keys(whole))('set in part, without %s, are a mistake', (name) => {
    const { identity, faults } = read({ ...whole, [name]: null })
    expect(identity).toBeNull()
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`${name} is not set`)
  })

  test('never stand for Ed25519 alone, which many mailboxes do not read', () => {
    const { faults } = read({
      DKIM_DOMAIN: 'havneby.example',
      DKIM_ED25519_SELECTOR: 's2',
      DKIM_ED25519_KEY_FILE: 'ed.pem',
    })
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(['DKIM_SELECTOR', 'DKIM_RSA_KEY_FILE'])
    expect(read({ ...whole, DKIM_ED25519_SELECTOR: 's2' }).faults[0]).toContain('DKIM_ED25519_KEY_FILE is not set')
  })

  test.each([
    ['feeble.pem', '512 bits'],
    ['ed.pem', 'rsa is wanted'],
    ['locked.pem', 'no private key'],
    ['prose.pem', 'no private key'],
    ['nowhere.pem', 'ENOENT'],
  ])('refuse %s, and repeat nothing of it', (path, why) => {
    const { identity, faults } = read({ ...whole, DKIM_RSA_KEY_FILE: path })
    expect(identity).toBeNull()
    expect(faults).toEqual([expect.stringContaining(why)])
    expect(faults[0]).toMatch(/^DKIM_RSA_KEY_FILE /)
    expect(faults[0]).not.toMatch(/PRIVATE KEY-|words of no key/)
  })

  test('warn of an RSA key under 2048 bits, and sign with it', () => {
    const { identity, warnings } = read({ ...whole, DKIM_RSA_KEY_FILE: 'weak.pem' })
    expect(identity?.keys).toHaveLength(1)
    expect(warnings).toEqual([expect.stringContaining('1024 bits')])
  })

  test.each([
    [{ DKIM_DOMAIN: 'no domain' }, 'DKIM_DOMAIN'],
    [{ DKIM_DOMAIN: 'havneby.example; s=x' }, 'DKIM_DOMAIN'],
    [{ DKIM_SELECTOR: 's1\r\n' }, 'DKIM_SELECTOR'],
    [{ DKIM_SELECTOR: 'a;b' }, 'DKIM_SELECTOR'],
    [{ DKIM_SELECTOR: 'a..b' }, 'DKIM_SELECTOR'],
    [{ DKIM_ED25519_SELECTOR: 'S1' }, 'DKIM_ED25519_SELECTOR'],
  ])('refuse names that could not stand in DNS or in a header: %j', (change, name) => {
    expect(read({ ...both, ...change }).faults).toEqual([expect.stringContaining(name)])
  })

  test('are told of with every other mistake of a start', () => {
    const env = { PORT: 'many', DKIM_DOMAIN: 'havneby.example', DKIM_RSA_KEY_FILE: 'nowhere.pem' }
    const start = () => readSettings(env, ['PORT', ...dkimSettings], (found) => read(found).faults)
    expect(start).toThrow(SettingsFault)
    for (const said of ['PORT', 'DKIM_SELECTOR is not set', 'DKIM_RSA_KEY_FILE cannot be read'])
      expect(start).toThrow(said)
  })
})

test('a record fits DNS: strings of 255 octets at most, which together are its value', () => {
  const { keys } = read(both).identity!
  const record = dkimRecord('havneby.example', keys[0]!)
  expect(record.value).toMatch(/^v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]+$/)
  const strings = [...zoneLines(record).matchAll(/"([^"]*)"/g)].map(([, text]) => text!)
  expect(strings.length).toBeGreaterThan(1)
  expect(strings.every((text) => text.length <= 255)).toBe(true)
  expect(strings.join('')).toBe(record.value)
  expect(zoneLines(record)).toMatch(/^s1\._domainkey\.havneby\.example\. IN TXT \(/)
})

test.each([
  ['havneby.example', 'havneby.example', true],
  ['nyheter.havneby.example', 'havneby.example', true],
  ['Havneby.example', 'mail.havneby.example', true],
  ['havneby.example', 'annenby.example', false],
  ['a.kommune.no', 'b.kommune.no', false],
  ['a.co.uk', 'b.co.uk', false],
  ['one.github.io', 'two.github.io', false],
])('DMARC counts a letter from %s signed by %s: %s', (from, signer, aligned) => {
  expect(isAligned(from, signer)).toBe(aligned)
})
