import { describe, expect, test } from 'vitest'
import { readSettings, SettingsFault } from '../../shared/config/read-settings.ts'
import type { SettingName } from '../../shared/config/settings.ts'

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

describe('what could not work is refused with the other settings, in a sentence that repeats no secret', () => {
  const told = (name: SettingName, text: string) => {
    try {
      return readSettings({ [name]: text }, [name])[name]
    } catch (error) {
      if (error instanceof SettingsFault) return error.message
      throw error
    }
  }

  test.each([
    ['TRUST_PROXY', '10.0.0.0/99', 'TRUST_PROXY holds “10.0.0.0/99”, whose prefix must lie between 1 and 32.'],
    ['TRUST_PROXY', '127.0.0.1, 10.0.0.0/0', 'TRUST_PROXY holds “10.0.0.0/0”, whose prefix must lie between 1 and 32.'],
    ['TRUST_PROXY', 'fd00::/129', 'TRUST_PROXY holds “fd00::/129”, whose prefix must lie between 1 and 128.'],
    ['TRUST_PROXY', 'proxy.example', 'TRUST_PROXY holds “proxy.example”, which is no IP address or network.'],
    ['SMTP_URL', 'smtp://mail.example/inbox', 'SMTP_URL cannot be used: an SMTP URL has no path.'],
    ['SMTP_URL', 'smtp://ola@mail.example', 'SMTP_URL cannot be used: a login is a user and a password.'],
    ['SMTP_URL', 'smtp://ola:hemmelig@mail.example?tls=never', 'SMTP_URL cannot be used: a password is not sent'],
    ['SMTP_URL', 'smtp://ola?hemmelig@mail.example', 'SMTP_URL cannot be used: an SMTP URL knows ?tls= and ?ca='],
    ['REDIS_URL', 'redis://:hemmelig%zz@a:6379', 'REDIS_URL holds a % that begins no escape'],
    ['REDIS_URL', 'redis://a:6379,redis://:hemmelig%ff@b', 'REDIS_URL (address 2) holds a % that begins no escape'],
    ['PUBLIC_URL', 'https://press.example?from=mail', 'PUBLIC_URL must be an address alone'],
    ['PUBLIC_URL', 'https://press.example/#top', 'PUBLIC_URL must be an address alone'],
    ['PUBLIC_URL', 'https://press.example?', 'PUBLIC_URL must be an address alone'],
    ['PUBLIC_URL', 'https://ola:hemmelig@press.example', 'PUBLIC_URL must be an address alone'],
    ['MAIL_DOMAIN', 'mail example', 'MAIL_DOMAIN is not a domain.'],
    ['MAIL_DOMAIN', 'presse@havna.example', 'MAIL_DOMAIN is not a domain.'],
    ['MAIL_DOMAIN', 'https://havna.example', 'MAIL_DOMAIN is not a domain.'],
    ['MAIL_DOMAIN', 'havna', 'MAIL_DOMAIN is not a domain.'],
    ['MAIL_DOMAIN', '192.0.2.10', 'MAIL_DOMAIN is not a domain.'],
  ] as const)('%s=%s', (name, text, sentence) => {
    expect(told(name, text)).toContain(sentence)
    expect(told(name, text)).not.toContain('hemmelig')
  })

  test.each([
    ['TRUST_PROXY', '10.0.0.0/8, ::1, fd00::/128, 127.0.0.1/32', ['10.0.0.0/8', '::1', 'fd00::/128', '127.0.0.1/32']],
    ['SMTP_URL', 'smtp://ola:hemmelig%25@mail.example?tls=optional', null],
    ['REDIS_URL', 'redis://ola:100%25%20sikker@a:6379', null],
    ['PUBLIC_URL', 'https://press.example/nyheter', null],
    ['MAIL_DOMAIN', 'Blåbær.example', 'xn--blbr-roah.example'],
    ['MAIL_DOMAIN', 'news.havna.example', null],
  ] as const)('%s=%s is taken', (name, text, value) => expect(told(name, text)).toEqual(value ?? text))
})
