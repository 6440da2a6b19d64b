import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { openLog } from '../../shared/log/log.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { oweNotice } from '../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import type { Release } from '../../shared/release/release.ts'
import { openSmtpTransport } from '../../shared/transport/smtp.ts'
import { openPreparedNotices } from '../../workers/mailer/prepared-notices.ts'
import { sendNotice } from '../../workers/mailer/send-notice.ts'
import { type LetterTransport, openSigningTransport, underWay } from '../../workers/mailer/signing-transport.ts'
import { openStandingNotices } from '../../workers/mailer/standing-notices.ts'
import { givenIdentity, recordsOf } from '../given/dkim.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { findDkimpy, findOpendkim, verifyByMailauth } from '../rig/dkim-verifiers.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox
let newsroom: Newsroom
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  newsroom = await givenNewsroom(database.pool)
  return async () => {
    for (const close of closing.splice(0)) await close()
    await inbox.close()
  }
})

const identity = givenIdentity()
const log = openLog('test', 'silent')
const now = () => new Date()

/** An engine whose letters are signed, as main.ts puts it together. */
function openSigningEngine(signer: DkimIdentity): { engine: Engine; transport: LetterTransport } {
  const plain = openSmtpTransport({ url: inbox.url, connections: 4, clientName: 'pressebud.example', log })
  const transport = openSigningTransport({ transport: plain, log, now }, signer, underWay(4))
  const engine = openEngine(database.pool, inbox.url, { chunkSize: 40, transport })
  closing.push(engine.close, transport.close)
  return { engine, transport }
}

async function sendOne(release: Partial<Release> = {}, signer = identity): Promise<string> {
  const { engine } = openSigningEngine(signer)
  await givenReaders(database.pool, newsroom, ['ada@readers.example'])
  const { mailingId } = await givenMailing(database.pool, newsroom, release)
  await engine.send(mailingId)
  return inbox.received.at(-1)!.raw
}

const titled = (title: string, bodyHtml = '<p>Alle er velkomne.</p>'): Partial<Release> => ({
  content: { languages: { nb: { title, lead: '', bodyHtml } }, contacts: [], images: [], documents: [], links: [] },
})
const resultsOf = async (raw: string, signer = identity) =>
  (await verifyByMailauth(raw, recordsOf(signer))).map(({ result }) => result)
const tagOf = (raw: string, tag: string) =>
  new RegExp(`[;:\\s]${tag}=([^;]*)`).exec(raw.slice(0, raw.indexOf('\r\nFrom:')))![1]!.replace(/\s/g, '')

const signedFields = [
  ...['from', 'to', 'subject', 'date', 'message-id', 'mime-version', 'content-type', 'list-id', 'list-unsubscribe'],
  ...['list-unsubscribe-post', 'feedback-id', 'auto-submitted'],
]

describe('a letter as a mailbox receives it', () => {
  test('has two signatures that hold, over everything a mailbox goes by', async () => {
    const raw = await sendOne()
    const verified = await verifyByMailauth(raw, recordsOf(identity))
    expect(verified.map(({ selector, result }) => ({ selector, result }))).toEqual([
      { selector: 's1', result: 'pass' },
      { selector: 's1-ed25519', result: 'pass' },
    ])
    for (const { names } of verified) expect(names).toEqual(expect.arrayContaining(signedFields))
  })

  test('is signed before its first byte, in the relaxed form, as a whole and at a time', async () => {
    const raw = await sendOne()
    expect(raw).toMatch(/^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=havneby\.example;/)
    expect(raw).toMatch(/\r\nDKIM-Signature: v=1; a=ed25519-sha256; c=relaxed\/relaxed; d=havneby\.example;/)
    const signatures = raw.slice(0, raw.indexOf('\r\nFrom:'))
    expect(signatures).not.toMatch(/[;\s]l=/)
    expect(Math.abs(Number(tagOf(raw, 't')) - Date.now() / 1000)).toBeLessThan(3_600)
    expect(signatures.split('\r\n').filter((line) => line.length > 78)).toEqual([])
  })

  test('names what a mail program shows once more than it is there', async () => {
    const names = tagOf(await sendOne(), 'h').split(':')
    const times = (name: string) => names.filter((one) => one === name).length
    for (const name of ['from', 'to', 'subject', 'date', 'message-id', 'mime-version', 'content-type'])
      expect([name, times(name)]).toEqual([name, 2])
    for (const name of ['cc', 'reply-to']) expect([name, times(name)]).toEqual([name, 1])
  })

  test('signs the reply address it has, and lets nobody add another', async () => {
    newsroom = await givenNewsroom(database.pool, { replyTo: 'svar@havneby.example' })
    const raw = await sendOne()
    expect(
      tagOf(raw, 'h')
        .split(':')
        .filter((name) => name === 'reply-to'),
    ).toHaveLength(2)
    expect(await resultsOf(raw)).toEqual(['pass', 'pass'])
    expect(await resultsOf(raw.replace('\r\nReply-To:', '\r\nReply-To: evil@example.com\r\nReply-To:'))).toEqual([
      'fail',
      'fail',
    ])
  })

  test.each([
    ['its subject', (raw: string) => raw.replace('\r\nSubject: ', '\r\nSubject: Re: ')],
    ['its sender', (raw: string) => raw.replace('presse@havneby', 'prease@havneby')],
    ['the link to leave', (raw: string) => raw.replace(/(\/unsubscribe\/.{5})./, '$1~')],
    ['its one-click promise', (raw: string) => raw.replace('One-Click', 'One-Clack')],
    ['its text', (raw: string) => raw.replace('Brygga', 'Bryggo')],
    ['its last byte', (raw: string) => `${raw.slice(0, -3)}x\r\n`],
    ['a second From', (raw: string) => raw.replace('\r\nFrom:', '\r\nFrom: evil@example.com\r\nFrom:')],
    ['a From below ours', (raw: string) => raw.replace('\r\nTo:', '\r\nFrom: evil@example.com\r\nTo:')],
    ['a Cc', (raw: string) => raw.replace('\r\nTo:', '\r\nCc: evil@example.com\r\nTo:')],
    ['a line at the end', (raw: string) => `${raw}PS: pay here\r\n`],
  ])('no longer holds when somebody touched %s', async (_what, touch) => {
    const raw = await sendOne()
    const touched = touch(raw)
    expect(touched).not.toBe(raw)
    const results = await resultsOf(touched)
    expect(results).toHaveLength(2)
    expect(results).not.toContain('pass')
  })

  test('still holds when hosts re-fold it, blank it and put fields before it', async () => {
    const raw = await sendOne()
    const carried = `Received: from a by b; Tue, 03 Nov 2026 08:05:30 +0000\r\n${raw
      .replace('\r\nMIME-Version: 1.0', '\r\nMime-version:\r\n\t1.0 ')
      .replace('List-Unsubscribe: ', 'List-Unsubscribe:\r\n ')
      .replace(/\r\n$/, '\r\n\r\n\r\n')}`
    expect(await resultsOf(carried)).toEqual(['pass', 'pass'])
  })

  test.each([
    'Blåbær, “sitat” & – 字',
    'x'.repeat(900),
    'ord '.repeat(200).trim(),
    '  doble   blanke\t\ttegn  ',
    '=?utf-8?B?DQpCY2M6IGV2aWw=?=',
    'Hei\r\nBcc: evil@example.com',
    '.',
    'b=; h=from; 👩‍👩‍👧 مرحبا',
  ])('holds whatever its subject and text say: %j', async (title) => {
    const raw = await sendOne(titled(title, `<p>${title.replaceAll('<', '&lt;')}</p><pre>  ${title}  \n.\n..\n</pre>`))
    expect(await resultsOf(raw)).toEqual(['pass', 'pass'])
  })

  test('is a reader’s own: of many sent at once each one holds', async () => {
    const { engine } = openSigningEngine(identity)
    await givenReaders(database.pool, newsroom, 120)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(inbox.received).toHaveLength(120)
    for (const { raw } of inbox.received) expect(await resultsOf(raw)).toEqual(['pass', 'pass'])
  })

  test('tried again keeps its Message-ID, and holds', async () => {
    const { engine } = openSigningEngine(identity)
    await givenReaders(database.pool, newsroom, ['grey@readers.example'])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const sent: string[] = []
    for (let tries = 0; tries < 2; tries += 1) {
      await engine.send(mailingId)
      await engine.reconcileAndSend()
      sent.push(inbox.received.at(-1)!.raw)
      // As if the first answer had been lost.
      await database.pool.query(`update deliveries set state = 'due', until = null where mailing_id = $1`, [mailingId])
      await database.pool.query(`update chunks set state = 'open', next_at = now() where mailing_id = $1`, [mailingId])
      await database.pool.query(`update mailings set state = 'sending' where id = $1`, [mailingId])
    }
    expect(inbox.received).toHaveLength(2)
    const ids = sent.map((raw) => /\r\nMessage-ID: (.*)\r\n/.exec(raw)![1])
    expect(ids[0]).toBe(ids[1])
    for (const raw of sent) expect(await resultsOf(raw)).toEqual(['pass', 'pass'])
  })

  test('signed before a change of keys holds as long as the old record is there', async () => {
    const next = givenIdentity('havneby.example', 's2')
    const before = await sendOne()
    const after = await sendOne({}, next)
    const live = [...recordsOf(identity), ...recordsOf(next)]
    for (const [raw, selector] of [
      [before, 's1'],
      [after, 's2'],
    ] as const) {
      const verified = await verifyByMailauth(raw, live)
      expect(verified.map((one) => one.result)).toEqual(['pass', 'pass'])
      expect(verified[0]!.selector).toBe(selector)
    }
    expect(await resultsOf(before, next)).not.toContain('pass')
  })
})

describe('another implementation', () => {
  const dkimpy = findDkimpy()
  const opendkim = findOpendkim()

  test.skipIf(dkimpy === null)('agrees: dkimpy (Debian: python3-dkim, python3-nacl)', async () => {
    const raw = await sendOne(titled('Blåbær, “sitat” & –'))
    expect(dkimpy!(raw, recordsOf(identity))).toEqual(['pass', 'pass'])
    const results = dkimpy!(raw.replace('velkomne', 'velkomna'), recordsOf(identity))
    expect(results).toEqual([expect.stringMatching(/^fail/), expect.stringMatching(/^fail/)])
  })

  test.skipIf(opendkim === null)('agrees: OpenDKIM (Debian: opendkim)', async () => {
    const raw = await sendOne(titled('Blåbær, “sitat” & –'))
    expect(opendkim!(raw, recordsOf(identity))).toEqual(['pass', 'pass'])
    expect(opendkim!(raw.replace('velkomne', 'velkomna'), recordsOf(identity))).toEqual(['fail', 'fail'])
  })
})

test('a confirmation is signed, too', async () => {
  const { engine, transport } = openSigningEngine(identity)
  const [reader] = await givenReaders(database.pool, newsroom, ['new@readers.example'])
  await database.pool.query(`update subscriptions set state = 'pending' where id = $1`, [reader!.subscriptionId])
  const id = uuidv7() as NoticeId
  await oweNotice(database.pool, { id, kind: 'confirmation', subscriptionId: reader!.subscriptionId }, now())
  const notices = openPreparedNotices({ ...engine.mailer, publicUrl: 'https://press.example' })
  await sendNotice({ ...engine.mailer, transport, notices, standing: openStandingNotices() }, id)
  const { to, raw } = inbox.received.at(-1)!
  expect(to).toBe('new@readers.example')
  const verified = await verifyByMailauth(raw, recordsOf(identity))
  expect(verified.map(({ result }) => result)).toEqual(['pass', 'pass'])
  const present = signedFields.filter((name) => !name.startsWith('list-'))
  for (const { names } of verified) expect(names).toEqual(expect.arrayContaining(present))
})
