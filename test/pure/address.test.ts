import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../shared/subscriber/address.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/addresses/isemail.jsonl')
const strings = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

type Case = { id: number; address: string; must: 'accept' | 'reject' | 'either'; diagnosis: string }

describe('an address at the sign-up door', () => {
  test.each([
    ['Kari.Nordmann@Example.COM', 'Kari.Nordmann@example.com', 'kari.nordmann@example.com'],
    ['ola@blåbær.example', 'ola@xn--blbr-roah.example', 'ola@xn--blbr-roah.example'],
    ['ola@xn--blbr-roah.example', 'ola@xn--blbr-roah.example', 'ola@xn--blbr-roah.example'],
    ['ola+presse@example.org', 'ola+presse@example.org', 'ola+presse@example.org'],
    ["o'neill@example.org", "o'neill@example.org", "o'neill@example.org"],
    ['GRØNN@example.org', 'GRØNN@example.org', 'grØnn@example.org'],
    ['a\u030ase@example.org', 'åse@example.org', 'åse@example.org'],
  ])('%j is written to as it was written, and known by one key', (text, address, key) => {
    expect(parseAddress(text)).toMatchObject({ address, key })
  })

  test.each([
    ['two recipients', 'a@example.org, b@example.org'],
    ['a display name', 'Kari <kari@example.org>'],
    ['a second command', 'a@example.org>\r\nRCPT TO:<b@example.org'],
    ['a blank before it', ' kari@example.org'],
    ['a line break after it', 'kari@example.org\n'],
    ['a line break before the sign', 'a\n@example.org'],
    ['a quoted local part', '"kari nordmann"@example.org'],
    ['an address literal', 'kari@[192.0.2.1]'],
    ['an IPv4 domain', 'kari@192.0.2.1'],
    ['a hexadecimal host', 'kari@0x7f'],
    ['an encoded letter in the domain', 'kari@ex%61mple.org'],
    ['a comment', 'kari(home)@example.org'],
    ['a blank inside', 'kari nordmann@example.org'],
    ['an unseen direction mark', 'kari\u202e@example.org'],
    ['a full-width sign', 'kari\uff20example.org'],
    ['a local part of 65 octets', `${'a'.repeat(65)}@example.org`],
    ['254 octets and one more', `${'a'.repeat(64)}@${`${'b'.repeat(61)}.`.repeat(3)}${'c'.repeat(4)}`],
    ['nothing', ''],
  ])('%s is refused', (_what, text) => {
    expect(parseAddress(text)).toBeNull()
  })

  test('254 octets are not too many', () => {
    const longest = `${'a'.repeat(64)}@${`${'b'.repeat(61)}.`.repeat(3)}${'c'.repeat(3)}`
    expect(longest).toHaveLength(254)
    expect(parseAddress(longest)?.address).toBe(longest)
  })

  test('a megabyte of signs is turned away before any work is done', () => {
    for (const piece of ['a@', 'a.', '.', 'å', '@']) expect(parseAddress(piece.repeat(1_000_000 / 2))).toBeNull()
  })

  test('what passes is one address, unmangled, whatever the text was', () => {
    // The library's own unit of any sign begins with a table of all 1,114,112.
    const sign = fc.nat(0x10ffff).map((code) => String.fromCodePoint(code))
    const anything = fc.oneof(fc.string({ unit: sign }), fc.emailAddress(), fc.mixedCase(fc.emailAddress()))
    fc.assert(
      fc.property(anything, (text) => {
        const parsed = parseAddress(text)
        if (parsed === null) return
        expect(parsed.address).not.toMatch(/[\s,;<>"()\\[\]\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(parsed.address.split('@')).toHaveLength(2)
        expect(parsed.address.split('@')[0]).toBe(text.normalize('NFC').split('@')[0])
        expect(parseAddress(parsed.address)).toEqual(parsed)
      }),
      { numRuns: 2_000 },
    )
  })

  test.skipIf(!existsSync(strings))('no naughty string passes with a line break, comma or bracket', () => {
    for (const text of JSON.parse(readFileSync(strings, 'utf8')) as string[])
      for (const candidate of [text, `${text}@example.org`, `kari@${text}`, `kari@example.org${text}`])
        expect(parseAddress(candidate)?.address ?? '').not.toMatch(/[\r\n,<>]/)
  })
})

describe.skipIf(!existsSync(corpus))('the isemail cases', () => {
  const cases = existsSync(corpus)
    ? readFileSync(corpus, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Case)
    : []
  test.each(cases.filter((one) => one.must !== 'either'))('$id $address: $must', ({ address, must }) => {
    expect(parseAddress(address) === null ? 'reject' : 'accept').toBe(must)
  })
})
