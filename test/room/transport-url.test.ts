import { expect, test } from 'vitest'
import { certificateFaults, readSmtpUrl } from '../../shared/transport/smtp-url.ts'

test('a mail host elsewhere must speak TLS, one on this machine need not', () => {
  expect(readSmtpUrl('smtp://mail.example').tls).toBe('required')
  expect(readSmtpUrl('smtp://127.0.0.1:2525').tls).toBe('never')
  expect(readSmtpUrl('smtp://[::1]:2525')).toMatchObject({ host: '::1', port: 2525, tls: 'never' })
  expect(readSmtpUrl('smtp://mail.example?tls=optional').tls).toBe('optional')
  expect(readSmtpUrl('smtp://localhost?tls=required').tls).toBe('required')
  expect(readSmtpUrl('smtps://localhost').tls).toBe('implicit')
})

test('the port is the one for relaying, for submission, or for TLS from the first byte', () => {
  expect(readSmtpUrl('smtp://mail.example').port).toBe(25)
  expect(readSmtpUrl('smtp://ola:hemmelig@mail.example').port).toBe(587)
  expect(readSmtpUrl('smtps://mail.example').port).toBe(465)
})

test('user and password are percent-decoded', () => {
  const { login } = readSmtpUrl('smtp://ola%40news.example:p%3Aa%2Fss%20%C3%A5@mail.example')
  expect(login).toEqual({ user: 'ola@news.example', password: 'p:a/ss å' })
})

test('a host with letters beyond ASCII is written as the network knows it', () => {
  expect(readSmtpUrl('smtp://blåbær.example').host).toBe('xn--blbr-roah.example')
  expect(readSmtpUrl('smtp://mail_relay:25?tls=never').host).toBe('mail_relay')
})

test.each([
  'http://mail.example',
  'mail.example:25',
  'smtp://',
  'smtp://mail.example/inbox',
  'smtp://mail.example?tls=maybe',
  'smtp://mail.example?pool=true',
  'smtp://ola@mail.example',
  'smtp://ola:hemmelig@mail.example?tls=never',
  'smtp://ola:%E0%A4%A@mail.example',
])('%s is a mistake, told without the password', (url) => {
  expect(() => readSmtpUrl(url)).toThrow(/^(?!.*hemmelig)/)
})

test('certificates that cannot be read are told with the settings, and a URL that is wrong is told elsewhere', () => {
  const readFile = (path: string) => {
    if (path === '/etc/ca.pem') return 'certificates'
    throw Object.assign(new Error('no'), { code: 'ENOENT' })
  }
  const faultsOf = (url: string | null | undefined) => certificateFaults(url, readFile)
  expect(faultsOf('smtp://mail.example?ca=/etc/none.pem')).toEqual([
    'SMTP_URL names certificates that cannot be read (ENOENT).',
  ])
  for (const url of [
    'smtp://mail.example?ca=/etc/ca.pem',
    'smtp://mail.example',
    'smtp://mail.example/x',
    null,
    undefined,
  ])
    expect(faultsOf(url)).toEqual([])
})
