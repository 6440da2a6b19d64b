import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { isSigned } from '../../services/api/publisher/signature.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const body = Buffer.from('{"title":"Ny brygge åpner"}')
const at = new Date('2026-03-14T09:00:00Z')
const signature = new Webhook(secret).sign('msg_1', at, body.toString())
const headers = { id: 'msg_1', timestamp: String(at.getTime() / 1000), signature }
const later = (seconds: number) => new Date(at.getTime() + seconds * 1000)

describe('a webhook', () => {
  test('signed by another project’s library is let in', () => {
    expect(isSigned(headers, body, [secret], at)).toBe(true)
  })

  test.each([
    [0, true],
    [300, true],
    [301, false],
    [-300, true],
    [-301, false],
  ])('whose clock differs by %i s is let in: %s', (seconds, expected) => {
    expect(isSigned(headers, body, [secret], later(seconds))).toBe(expected)
  })

  test('passes when any of its signatures fits any live secret, as while rotating', () => {
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    expect(isSigned({ ...headers, signature: `v1a,AAAA v2,xyz v1,AAAA ${signature}` }, body, [other, secret], at)).toBe(
      true,
    )
  })

  test.each([
    ['another body', {}, Buffer.from('{"title":"x"}')],
    ['another id', { id: 'msg_2' }, body],
    ['an id with a dot', { id: 'msg.1' }, body],
    ['no id', { id: undefined }, body],
    ['no timestamp', { timestamp: undefined }, body],
    ['a timestamp that is no number', { timestamp: `${headers.timestamp}x` }, body],
    ['no signature', { signature: undefined }, body],
    ['an empty signature', { signature: 'v1,' }, body],
    ['a signature of an unknown version only', { signature: signature.replace('v1,', 'v2,') }, body],
    ['a signature cut short', { signature: signature.slice(0, -8) }, body],
  ])('with %s is turned away', (_what, change, bytes) => {
    expect(isSigned({ ...headers, ...change }, bytes, [secret], at)).toBe(false)
  })

  test('with any one bit of its signature turned over is turned away', () => {
    const mac = Buffer.from(signature.slice(3), 'base64')
    for (let bit = 0; bit < mac.length * 8; bit += 1) {
      const forged = Buffer.from(mac)
      forged[bit >> 3]! ^= 1 << (bit & 7)
      expect(isSigned({ ...headers, signature: `v1,${forged.toString('base64')}` }, body, [secret], at)).toBe(false)
    }
  })
})

const vectors = join(import.meta.dirname, '../../../shared/corpora/webhooks/vectors.json')

describe.skipIf(!existsSync(vectors))('the published vector', () => {
  test('is let in, and is turned away with one byte changed', () => {
    const { fixed } = JSON.parse(readFileSync(vectors, 'utf8')) as {
      fixed: { secret: string; id: string; timestamp: number; payload: string; signature: string }
    }
    const published = { id: fixed.id, timestamp: String(fixed.timestamp), signature: fixed.signature }
    const then = new Date(fixed.timestamp * 1000)
    expect(isSigned(published, Buffer.from(fixed.payload), [fixed.secret], then)).toBe(true)
    expect(isSigned(published, Buffer.from(fixed.payload.replace('2', '3')), [fixed.secret], then)).toBe(false)
  })
})
