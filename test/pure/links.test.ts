import { createHmac, hkdfSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openDeliveryCode, sealDelivery } from '../../shared/links/delivery-code.ts'
import { macOf } from '../../shared/links/mac.ts'
import { linkKeys, openToken, sealToken } from '../../shared/links/token.ts'

const keys = linkKeys(['first secret of thirty-two characters', 'older secret of thirty-two characters'])
const older = linkKeys(['older secret of thirty-two characters'])
const foreign = linkKeys(['somebody else’s secret, thirty-two char'])

describe('a link’s token', () => {
  const token = sealToken(keys, 'unsubscribe', [7n, 42n, 0n])

  test('is 64 characters that no encoder needs to escape', () => expect(token).toMatch(/^[A-Za-z0-9_-]{64}$/))

  test('carries the HMAC-SHA256 of RFC 2104, as Node makes it', () => {
    const key = Buffer.from(
      hkdfSync('sha256', 'older secret of thirty-two characters', 'pressebud', 'link:confirm', 32),
    )
    for (let n = 0n; n < 300n; n += 1n) {
      const bytes = Buffer.from(sealToken(older, 'confirm', [n, n * 0x0012_3456_789a_bcden, 0n]), 'base64url')
      const mac = createHmac('sha256', key).update(bytes.subarray(0, 24)).digest()
      expect(bytes.subarray(24)).toEqual(mac.subarray(0, 24))
    }
  })

  test('is made of a payload of its own length only, because what proves a link is put together in one place', () => {
    const [key] = older.byPurpose.confirm
    for (const length of [0, 23, 25]) expect(() => macOf(key!, Buffer.alloc(length))).toThrow('24 bytes')
  })

  test('opens for its own purpose only', () => {
    expect(openToken(keys, 'unsubscribe', token)).toEqual([7n, 42n, 0n])
    expect(openToken(keys, 'confirm', token)).toBeNull()
  })

  test('goes on working after the key was rotated, as long as the old key is listed', () => {
    const old = sealToken(older, 'unsubscribe', [7n, 42n, 0n])
    expect(openToken(keys, 'unsubscribe', old)).toEqual([7n, 42n, 0n])
    expect(openToken(foreign, 'unsubscribe', old)).toBeNull()
  })

  test('is refused with any one bit turned over, and in any other spelling', () => {
    const bytes = Buffer.from(token, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes)
      forged[bit >> 3]! ^= 1 << (bit & 7)
      expect(openToken(keys, 'unsubscribe', forged.toString('base64url'))).toBeNull()
    }
    for (const spelling of ['', token.slice(1), `${token}=`, `${token}A`, ` ${token}`, token.replace(/.$/, '+')])
      expect(openToken(keys, 'unsubscribe', spelling)).toBeNull()
  })
})

describe('a delivery’s code', () => {
  const code = sealDelivery(keys, 12n, 34n).code

  test('fits the local part of an address and survives the folding of its case', () => {
    expect(`b+${code}`.length).toBeLessThanOrEqual(64)
    expect(openDeliveryCode(keys, code.toUpperCase())).toEqual({ mailing: 12n, subscription: 34n })
  })

  test('is proved by what the token of the same letter leaves over, and neither opens the other’s door', () => {
    const { token } = sealDelivery(keys, 12n, 34n)
    expect(token).toBe(sealToken(keys, 'unsubscribe', [34n, 12n, 0n]))
    expect(openDeliveryCode(keys, token)).toBeNull()
    expect(openToken(keys, 'unsubscribe', code)).toBeNull()
  })

  test('carries the greatest numbers there are', () => {
    const most = 2n ** 63n - 1n
    expect(openDeliveryCode(keys, sealDelivery(keys, most, most).code)).toEqual({ mailing: most, subscription: most })
  })

  test('stays while keys are changed: a letter sent again then has the Message-ID it had', () => {
    const was = sealDelivery(older, 12n, 34n)
    const is = sealDelivery(keys, 12n, 34n)
    expect(is.code).toBe(was.code)
    expect(is.token).not.toBe(was.token)
    for (const { token } of [was, is]) expect(openToken(keys, 'unsubscribe', token)).toEqual([34n, 12n, 0n])
  })

  test('of somebody else, or changed by a letter, is refused', () => {
    expect(openDeliveryCode(foreign, code)).toBeNull()
    for (let place = 0; place < code.length; place += 1) {
      const other = code[place] === 'a' ? 'b' : 'a'
      expect(openDeliveryCode(keys, code.slice(0, place) + other + code.slice(place + 1))).toBeNull()
    }
  })
})
