import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { expect, test } from 'vitest'
import { letterBytes } from '../../shared/letter/fill.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import { naughtyRelease } from '../given/naughty-release.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

const names = [
  ...['From', 'Subject', 'MIME-Version', 'Content-Language', 'Auto-Submitted', 'X-Auto-Response-Suppress', 'List-Id'],
  ...['List-Help', 'List-Archive', 'Precedence', 'Feedback-ID', 'List-Unsubscribe-Post', 'To', 'Message-ID', 'Date'],
  ...['List-Unsubscribe', 'Content-Type'],
]
const injections = [
  'Hei\r\nBcc: evil@example.com',
  'Hei\nX-Injected: 1\n\n<script>alert(1)</script>',
  '</mj-text><mj-raw><img src=x onerror=alert(1)></mj-raw>',
  '<mj-include path="/etc/passwd" />',
  '<mj-include path="../../../package.json" type="html" />',
  '"><script>alert(1)</script>',
  '\r\n--=_pressebud\r\nContent-Type: text/html\r\n\r\nHei',
  '⟦InRva2VuIg⟧ <%= it.token %>',
  '=?utf-8?B?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=',
]

async function holds(naughty: string) {
  const letter = await prepareReleaseLetter(naughtyRelease(naughty))
  const message = letterBytes(letter, {
    to: 'ola@example.com',
    messageId: '1@example.com',
    date: 'Tue, 03 Nov 2026 08:05:30 +0000',
    token: 't'.repeat(64),
  })
  const wire = message.toString('latin1')
  const head = wire.slice(0, wire.indexOf('\r\n\r\n'))
  expect(
    head.split(/\r\n(?![ \t])/).map((line) => line.split(':')[0]),
    naughty,
  ).toEqual(names)
  expect(wire.replace(/\r\n/g, '')).not.toMatch(/[\r\n\0]|[^\t\x20-\x7e]/)
  const mail = await PostalMime.parse(message)
  expect(mail.to).toEqual([{ address: 'ola@example.com', name: '' }])
  expect(mail.bcc ?? []).toEqual([])
  expect(mail.attachments).toEqual([])
  expect(mail.html).not.toContain('root:')
  expect(mail.html).not.toMatch(/"playwright-core"/)
  // To change what comes, and to leave.
  expect(mail.html!.split('t'.repeat(64))).toHaveLength(3)
  expect(mail.text!.split('t'.repeat(64))).toHaveLength(3)
  expect(Buffer.byteLength(mail.html!)).toBeLessThan(90_000)
}

test.each(injections)('no field can be used to inject: %j', holds)

test.skipIf(!existsSync(corpus))(
  'no naughty string in any field adds a header, a recipient or a part',
  async () => {
    for (const naughty of JSON.parse(readFileSync(corpus, 'utf8')) as string[]) await holds(naughty)
  },
  120_000,
)
