import { simpleParser } from 'mailparser'
import PostalMime from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { fullContent, sampleNewsroom, sampleRelease } from '../../services/cli/letters-preview-samples.ts'
import { headerText, mailbox, wireAddress } from '../../shared/letter/encoded-words.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import { header } from '../../shared/letter/header-lines.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { prepareNotice } from '../../shared/letter/prepare-notice.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'

const where = { publicUrl: 'https://press.example.com', mailDomain: 'press.example.com' }
const reader = {
  to: 'ola@xn--blbr-roah.example',
  messageId: '7.1.9@press.example.com',
  date: mailDate(new Date('2026-11-03T08:05:30Z')),
  token: 'Ab0_-'.repeat(12).padEnd(64, 'z'),
}
const filled = (letter: PreparedLetter) => letterBytes(letter, reader)
const release = (newsroom: Newsroom = sampleNewsroom, title?: string) => {
  const content = title ? { ...fullContent, languages: { nb: { ...fullContent.languages.nb!, title } } } : fullContent
  return prepareReleaseLetter({ ...where, newsroom, release: sampleRelease('release', content), language: 'nb' })
}

const headerLines = (message: Buffer) => {
  const head = message.subarray(0, message.indexOf('\r\n\r\n')).toString('latin1')
  return head.split(/\r\n(?![ \t])/).map((line) => line.replace(/\r\n(?=[ \t])/g, ''))
}
const valuesOf = (message: Buffer, name: string) =>
  headerLines(message)
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim())

describe('the header of a release letter', () => {
  test('names each of its fields once, and one recipient', async () => {
    const message = filled(await release())
    const names = headerLines(message).map((line) => line.split(':')[0])
    expect(new Set(names).size).toBe(names.length)
    expect(names.toSorted()).toEqual(
      [
        ...[
          'From',
          'Reply-To',
          'Subject',
          'MIME-Version',
          'Content-Language',
          'Auto-Submitted',
          'X-Auto-Response-Suppress',
        ],
        ...['List-Id', 'List-Help', 'List-Archive', 'Precedence', 'Feedback-ID', 'List-Unsubscribe-Post'],
        ...['To', 'Message-ID', 'Date', 'List-Unsubscribe', 'Content-Type'],
      ].toSorted(),
    )
    expect(valuesOf(message, 'To')).toEqual([reader.to])
  })

  test('lets a reader leave with one click, by a link that names nobody', async () => {
    const message = filled(await release())
    expect(valuesOf(message, 'List-Unsubscribe')).toEqual([`<https://press.example.com/unsubscribe/${reader.token}>`])
    expect(message.toString('latin1').match(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/gm)).toHaveLength(1)
  })

  test('says which list it is, the same for every release, and that no machine need answer', async () => {
    const [one, other] = [filled(await release()), filled(await release(sampleNewsroom, 'Noe annet'))]
    expect(valuesOf(one, 'List-Id')).toEqual(['Fjordvik kommune <fjordvik-kommune.press.example.com>'])
    expect(valuesOf(one, 'List-Id')).toEqual(valuesOf(other, 'List-Id'))
    expect(valuesOf(one, 'Auto-Submitted')).toEqual(['auto-generated'])
    expect(valuesOf(one, 'Precedence')).toEqual(['bulk'])
    expect(valuesOf(one, 'X-Auto-Response-Suppress')).toEqual(['OOF, AutoReply'])
    expect(valuesOf(one, 'Feedback-ID')[0]).toMatch(/^[\w.-]+:fjordvik-kommune:release:pressebud$/)
  })

  test.each([
    ['Norwegian', 'Blåbærsyltetøy på ærfuglens øy: åtte måneder på vent, så endelig ferdig i Ålesund'],
    ['emoji', '🎉 Ny ferge 👩‍👩‍👧‍👦 og 🏳️‍🌈 på kaia '.repeat(4).trim()],
    ['Chinese and Japanese', '挪威的电动渡轮从十一月起免费运行无人驾驶フェリーが運航開始'.repeat(4)],
    ['Arabic and Hebrew', 'عبارة كهربائية ذاتية القيادة في النرويج — מעבורת חשמלית אוטונומית בנורווגיה'],
    ['300 characters without a space', 'Ferge'.repeat(60)],
    ['what looks like an encoded word', 'Spar =?utf-8?B?aGVp?= nå'],
  ])('carries a subject and a sender in %s to three independent readers', async (_, title) => {
    const newsroom = { ...sampleNewsroom, senderName: title, name: title }
    const message = filled(await release(newsroom, title))
    const [mailparser, postalMime] = [await simpleParser(message), await PostalMime.parse(message)]
    expect(mailparser.subject).toBe(title)
    expect(postalMime.subject).toBe(title)
    expect(decodedWords(valuesOf(message, 'Subject')[0]!)).toBe(title)
    expect(mailparser.from?.value).toEqual([{ address: 'presse@fjordvik.example', name: title }])
    expect(postalMime.from).toMatchObject({ address: 'presse@fjordvik.example', name: title })
  })

  test('keeps its lines short, its encoded words whole, and every octet ASCII', async () => {
    const title = 'Ærlige øyfolk får nytt 🚢 løfte om fergen '.repeat(9).trim()
    const message = filled(await release({ ...sampleNewsroom, senderName: title, name: title }, title))
    const head = message.subarray(0, message.indexOf('\r\n\r\n')).toString('latin1')
    expect(head).not.toMatch(/[^\x20-\x7e\r\n]/)
    for (const line of head.split('\r\n')) {
      if (line.length > 78) expect(line.trim().split(/:? /).length, line).toBeLessThanOrEqual(2)
      for (const word of line.match(/=\?[^ ]*\?=/g) ?? []) {
        expect(word.length).toBeLessThanOrEqual(75)
        expect(Buffer.from(word.slice(10, -2), 'base64').toString()).not.toContain('\ufffd')
      }
    }
  })

  test('tells a correction and a withdrawal from a release in the subject', async () => {
    const subjects = []
    for (const kind of ['correction', 'withdrawal'] as const) {
      const letter = await prepareReleaseLetter({
        ...where,
        newsroom: sampleNewsroom,
        release: sampleRelease(kind, fullContent),
        language: 'nb',
      })
      subjects.push(letter.subject)
    }
    expect(subjects[0]).toMatch(/^Rettelse: Fjordvik får/)
    expect(subjects[1]).toMatch(/^Trukket tilbake: Fjordvik får/)
  })
})

describe('the header of a notice', () => {
  test.each(['confirmation', 'already-following'] as const)('%s is no list mail', async (kind) => {
    const message = filled(await prepareNotice({ ...where, kind, newsroom: sampleNewsroom, language: 'fi' }))
    const names = headerLines(message).map((line) => line.split(':')[0]!)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => /^list-|precedence/i.test(name))).toEqual([])
    expect(valuesOf(message, 'Auto-Submitted')).toEqual(['auto-generated'])
    expect(valuesOf(message, 'Content-Language')).toEqual(['fi'])
  })

  test('a confirmation holds both ways out of it, and no way to leave what was never joined', async () => {
    const mail = await PostalMime.parse(
      filled(await prepareNotice({ ...where, kind: 'confirmation', newsroom: sampleNewsroom, language: 'nb' })),
    )
    for (const form of [mail.text!, mail.html!]) {
      expect(form).toContain(`https://press.example.com/confirm/${reader.token}`)
      expect(form).toContain(`https://press.example.com/not-me/${reader.token}`)
      expect(form).not.toContain('/unsubscribe/')
      expect(form).toContain('Rådhusgata 1')
    }
  })

  test('a reader who already follows is told so, with the way to leave', async () => {
    const mail = await PostalMime.parse(
      filled(await prepareNotice({ ...where, kind: 'already-following', newsroom: sampleNewsroom, language: 'nb' })),
    )
    for (const form of [mail.text!, mail.html!]) {
      expect(form).toContain(`https://press.example.com/unsubscribe/${reader.token}`)
      expect(form).not.toMatch(/\/(confirm|not-me)\//)
    }
  })
})

describe('header values', () => {
  test('a date is told in RFC 5322 form with a numeric zone', () => {
    expect(mailDate(new Date('2026-11-03T08:05:30Z'))).toBe('Tue, 03 Nov 2026 08:05:30 +0000')
  })

  test('a line break in a value ends no header', () => {
    expect(headerText('Hei\r\nBcc: evil@example.com\u2028X: y', 9)).toBe('Hei Bcc: evil@example.com X: y')
  })

  test('an address that is more than one, or none, is refused', () => {
    for (const address of [
      'a@example.com, b@example.com',
      'a@example.com>\r\nBcc: b@example.com',
      'a b@example.com',
      '@',
      '',
      'a@',
    ])
      expect(() => mailbox('Name', address, 6), address).toThrow(RangeError)
    expect(wireAddress('presse@blåbær.example')).toBe('presse@xn--blbr-roah.example')
  })

  test('a name with a comma or a quote is one name', () => {
    expect(mailbox('Solvang, "Ingrid"', 'i@example.com', 6)).toBe('"Solvang, \\"Ingrid\\"" <i@example.com>')
  })

  test('a long plain value is folded at its spaces', () => {
    const lines = header('Subject', 'word '.repeat(60).trim()).trimEnd().split('\r\n')
    expect(lines.length).toBeGreaterThan(3)
    expect(lines.every((line) => line.length <= 78)).toBe(true)
    expect(lines.join('')).toBe(`Subject: ${'word '.repeat(60).trim()}`)
  })
})

/** RFC 2047 read by the letter of the standard, apart from any library. */
const decodedWords = (value: string) =>
  value
    .replace(/(\?=)\s+(?==\?)/g, '$1')
    .replace(/(?:=\?utf-8\?B\?[A-Za-z0-9+/=]+\?=)+/g, (words) =>
      Buffer.concat([...words.matchAll(/\?B\?([^?]+)\?=/g)].map(([, text]) => Buffer.from(text!, 'base64'))).toString(),
    )
