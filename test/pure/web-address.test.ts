import { expect, test } from 'vitest'
import { webUrl } from '../../shared/letter/link-targets.ts'
import { parseUrl } from '../../shared/web-address.ts'

test('an address is the same one however often it has been asked for', () => {
  const wrong = { parsed: 0, linked: 0 }
  for (let times = 0; times < 30_000; times += 1) {
    if (parseUrl('https://blåbær.example/ø')?.hostname !== 'xn--blbr-roah.example') wrong.parsed += 1
    if (webUrl('https://blåbær.example/ø') === null) wrong.linked += 1
  }
  expect(wrong).toEqual({ parsed: 0, linked: 0 })
})

test.each(['', 'example.com', '//example.com', 'https://', 'https://a b', 'http://[::1'])('“%s” is none', (text) => {
  expect(parseUrl(text)).toBeNull()
})
