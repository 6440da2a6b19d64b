import { createPublicKey } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { makeDkimKey } from '../../shared/dkim/dkim-key.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { openSigner } from '../../workers/mailer/signer.ts'
import { isSignedBy } from '../chaos/sink-signature.ts'
import { givenIdentity } from '../given/dkim.ts'

const identity = { ...givenIdentity(), keys: givenIdentity().keys.slice(0, 1) }
const publicKey = createPublicKey(identity.keys[0]!.privateKey)

const oneClick = `List-Unsubscribe: <https://havneby.example/u>\r
List-Unsubscribe-Post: List-Unsubscribe=One-Click\r
`

async function signedLetter(links: string): Promise<string> {
  const head = `From: Havneby <presse@havneby.example>\r
Subject:  folded\r
\there  \r
Date: Tue, 03 Nov 2026 08:05:30 +0000\r
Message-ID: <x@mail.example>\r
${links}To: `
  const segments = [head, '\r\n\r\nFirst  line \r\n..a dot\r\n', ' and the last\r\n\r\n'].map((part) =>
    Buffer.from(part),
  )
  const prepared: PreparedLetter = { language: 'nb', subject: '', segments, slots: ['to', 'token'] }
  const reader = { to: 'ada@readers.example', messageId: 'x', date: 'x', token: 'T'.repeat(64) }
  const signer = openSigner(identity, () => new Date())
  try {
    return (await signer.sign([{ prepared, reader }]))[0] + letterBytes(prepared, reader).toString('latin1')
  } finally {
    await signer.close()
  }
}

let letter: string
beforeAll(async () => {
  letter = await signedLetter(oneClick)
})

test('the harness’s own reading of a signature agrees with the one that was made', () => {
  expect(isSignedBy(publicKey, letter)).toBe(true)
})

test.each([
  ['a word of the body', 'the last', 'the least'],
  ['a word of a field', 'folded', 'unfolded'],
  ['the reader', 'ada@', 'bob@'],
  ['a sender of another domain', 'presse@havneby', 'presse@annenby'],
  ['another domain that signs', 'd=havneby', 'd=annenby'],
  ['a field added above what was signed', 'From: Havneby', 'From: somebody@else.example\r\nFrom: Havneby'],
  ['no signature', 'DKIM-Signature:', 'X-Signature:'],
])('and sees %s', (_, from, to) => {
  expect(letter).toContain(from)
  expect(isSignedBy(publicKey, letter.replace(from, to))).toBe(false)
})

test('and another key', () => {
  expect(isSignedBy(createPublicKey(makeDkimKey('rsa-sha256')), letter)).toBe(false)
})

test('and a signature that holds without the one-click link in it', async () => {
  expect(isSignedBy(publicKey, await signedLetter(''))).toBe(false)
})
