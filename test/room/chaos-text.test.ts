import { afterAll, beforeAll, expect, test } from 'vitest'
import { readText } from '../chaos/sink-text.ts'
import { noonsFrom, wishFrequency } from '../given/digests.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox
/** A letter of each of two readers, in the characters of its bytes. */
let letters: string[]
let digest: string

beforeAll(async () => {
  database = await openTestDatabase()
  inbox = await openRecordingInbox()
  const engine = openEngine(database.pool, inbox.url)
  const newsroom = await givenNewsroom(database.pool)
  await givenReaders(database.pool, newsroom, 2)
  const languages = { nb: { title: 'Chaos 1', lead: 'Brygga står klar.', bodyHtml: '<p>Alle er velkomne.</p>' } }
  const content = { languages, contacts: [], images: [], documents: [], links: [] }
  const { mailingId } = await givenMailing(database.pool, newsroom, { content })
  await engine.send(mailingId)
  const [reader] = await givenReaders(database.pool, newsroom, ['weekly@readers.example'])
  await wishFrequency(database.pool, reader!.subscriptionId, 'daily')
  for (const title of ['Chaos 2', 'Chaos 3 revision 2']) {
    const told = { ...content, languages: { nb: { ...languages.nb, title } } }
    await engine.send((await givenMailing(database.pool, newsroom, { content: told })).mailingId)
  }
  letters = inbox.received.slice(0, 2).map(({ raw }) => raw)
  inbox.received.length = 0
  await engine.cutDigestsAndSend(noonsFrom(new Date())())
  digest = inbox.received[0]!.raw
  await engine.close()
})
afterAll(async () => {
  await inbox.close()
  await database.close()
})

test('a letter that is whole lacks nothing', () => {
  expect(letters.map(readText)).toMatchObject([
    { subject: 'Chaos 1', lacks: null, items: null },
    { subject: 'Chaos 1', lacks: null, items: null },
  ])
})

test('one with another text than its subject says, without its end, or with another reader’s link is told', () => {
  const [own = '', others = ''] = letters
  const subject = (is: string) => own.replace('Subject: Chaos 1', `Subject: ${is}`)
  expect(readText(subject('Chaos 2')).lacks).toBe('what its subject tells')
  expect(readText(subject('Rettelse: Chaos 1 revision 2')).lacks).toBe('what its subject tells')
  expect(readText(subject('Rettelse: Chaos 1')).lacks).toBe(null)
  const newer = own
    .replaceAll('Chaos 1', 'Chaos 1 revision 2')
    .replace('Subject: Chaos 1 revision 2', 'Subject: Chaos 1')
  expect(readText(newer).lacks).toBe('what its subject tells')
  expect(readText(own.slice(0, -40)).lacks).toBe('its end')
  const withHeadOf = (letter: string) => letter.slice(0, letter.indexOf('\r\n\r\n'))
  expect(readText(withHeadOf(others) + own.slice(withHeadOf(own).length)).lacks).toBe("its reader's own links")
})

test('a digest tells its releases, in both its parts', () => {
  const items = ['Chaos 3 revision 2', 'Chaos 2'].map((title) => ({ title, isCorrection: false }))
  const read = readText(digest)
  expect(read).toMatchObject({ lacks: null, items: expect.arrayContaining(items) })
  expect(read.items).toHaveLength(2)
  const [head, ...parts] = digest.split(/(?=<html)/i)
  expect(parts).toHaveLength(1)
  expect(readText(head + parts[0]!.replaceAll('Chaos 2', 'Chaos 4')).lacks).toBe('what its subject tells')
})
