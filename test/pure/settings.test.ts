import { describe, expect, test } from 'vitest'
import { readSettings, SettingsFault } from '../../shared/config/read-settings.ts'

const redisUrl = (text: string) => readSettings({ REDIS_URL: text }, ['REDIS_URL']).REDIS_URL
const faultOf = (text: string) => {
  try {
    return redisUrl(text)
  } catch (error) {
    if (error instanceof SettingsFault) return error.message
    throw error
  }
}

describe('REDIS_URL', () => {
  test('names one server or several nodes of a cluster', () => {
    expect(redisUrl('redis://a:6379/')).toBe('redis://a:6379')
    expect(redisUrl('redis://a:6379,redis://b:6379')).toBe('redis://a:6379,redis://b:6379')
    expect(redisUrl('rediss://u:p@a:6379/, rediss://u:p@b:6379')).toBe('rediss://u:p@a:6379,rediss://u:p@b:6379')
  })

  test('may hold a comma in its password', () => {
    expect(redisUrl('redis://:one,two@a:6379,redis://:one,two@b')).toBe('redis://:one,two@a:6379,redis://:one,two@b')
  })

  test.each([
    ['redis://a:6379,b:6379', 'REDIS_URL is not an address that starts with redis:// or rediss://'],
    ['redis://a:6379,http://hidden@b', 'REDIS_URL (address 2) must start with redis:// or rediss://'],
    ['redis://a,redis://:hidden@b:no', 'REDIS_URL (address 2) is not an address that starts'],
    ['redis://a:6379,rediss://b:6379', 'REDIS_URL must name all its addresses with one scheme'],
    ['redis://a:6379,redis://', 'REDIS_URL (address 2) '],
  ])('%s is refused in words, without its passwords', (text, told) => {
    expect(faultOf(text)).toContain(told)
    expect(faultOf(text)).not.toContain('hidden')
  })
})

describe('PUBLIC_URL', () => {
  const read = (text: string) => readSettings({ PUBLIC_URL: text }, ['PUBLIC_URL']).PUBLIC_URL

  test.each(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'https://press.example'])(
    '%s is taken',
    (text) => expect(read(text)).toBe(text),
  )

  // What stands in every letter: a mailbox would not offer one click for it, and tokens would cross the net in the clear.
  test.each(['http://press.example', 'http://10.0.0.7:3000', 'http://localhost.example', 'HTTP://press.example'])(
    '%s is refused, with the reason',
    (text) => expect(() => read(text)).toThrow('PUBLIC_URL must be https away from loopback'),
  )
})
