import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import PostalMime from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { fullContent, longContent, sampleNewsroom, sampleRelease } from '../../services/cli/letters-preview-samples.ts'
import { fillLetter, letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { packPrepared, unpackPrepared } from '../../shared/letter/pack.ts'
import { type Piece, slot } from '../../shared/letter/pieces.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import { encodeQuotedPrintable } from '../../shared/letter/quoted-printable.ts'
import type { ReleaseContent } from '../../shared/release/release.ts'

const token = 'Ab0_-'.repeat(12).padEnd(64, 'z')
const reader = {
  to: 'ola@example.com',
  messageId: '7.1.9@press.example.com',
  date: 'Tue, 03 Nov 2026 08:05:30 +0000',
  token,
}
const filled = (letter: PreparedLetter) => letterBytes(letter, reader)
const prepare = (content: ReleaseContent, kind: 'release' | 'withdrawal' = 'release') =>
  prepareReleaseLetter({
    newsroom: sampleNewsroom,
    release: sampleRelease(kind, content),
    language: 'nb',
    publicUrl: 'https://press.example.com',
    mailDomain: 'press.example.com',
  })
const withText = (text: { title?: string; lead?: string; bodyHtml?: string }): ReleaseContent => ({
  ...fullContent,
  languages: { nb: { ...fullContent.languages.nb!, ...text } },
})

describe('a release letter', () => {
  test('is plain text first and HTML last, both UTF-8 in quoted-printable', async () => {
    const message = filled(await prepare(fullContent)).toString('latin1')
    expect(
      [
        ...message.matchAll(
          /^Content-Type: (text\/\w+); charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r$/gm,
        ),
      ].map(([, type]) => type),
    ).toEqual(['text/plain', 'text/html'])
    expect(message.match(/^--=_pressebud(--)?\r$/gm)).toHaveLength(3)
  })

  test('has only CRLF line ends, short lines, no line that begins with a dot, and an end of line at its end', async () => {
    const body = withText({
      bodyHtml: `<p>.</p><p>..</p><p>.x</p><p>${'a'.repeat(5000)}</p><p>From here</p>`,
      lead: '.\n.\nslutt.',
    })
    const message = filled(await prepare(body)).toString('latin1')
    expect(message.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/)
    expect(message).toMatch(/\r\n$/)
    const [, ...lines] = message.slice(message.indexOf('\r\n\r\n')).split('\r\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(76)
    expect(message.split('\r\n').filter((line) => /^(\.|From )/.test(line))).toEqual([])
    const { text } = await PostalMime.parse(message)
    expect(text).toContain('\n.\n')
    expect(text).toContain('a'.repeat(5000))
  })

  test.each([
    ['Norwegian', 'Æ, ø og å: «Blåbær på Ålesunds øyer»'],
    ['emoji', 'Fergen er her 🚢👩‍👩‍👧‍👦🏳️‍🌈'],
    ['Chinese', '挪威的电动渡轮从十一月起免费运行'],
    ['Arabic', 'عبارة كهربائية ذاتية القيادة'],
    ['signs HTML lives by', `5 < 6 & 7 > 6, sier "O'Brien" &amp; co`],
  ])('says the same in both forms to two independent readers, in %s', async (_, words) => {
    const message = filled(await prepare(withText({ title: words, lead: words })))
    const [one, other] = [await simpleParser(message), await PostalMime.parse(message)]
    for (const text of [one.text!, other.text!]) expect(text).toContain(words)
    for (const html of [String(one.html), other.html!]) expect(unescaped(html).split(words).length).toBeGreaterThan(3)
  })

  test('gives every web link of the HTML in the plain text too', async () => {
    const { html, text } = await PostalMime.parse(filled(await prepare(fullContent)))
    const links = [...html!.matchAll(/(?:href|src)="(https?:[^"]*)"/g)].map(([, url]) => unescaped(url!))
    expect(new Set(links).size).toBeGreaterThan(8)
    for (const link of links.filter((url) => url !== sampleNewsroom.logoUrl)) expect(text).toContain(link)
  })

  test('holds the reader’s token whole wherever it stands', async () => {
    const message = filled(await prepare(fullContent))
    expect(message.toString('latin1').split(token)).toHaveLength(6)
    const { html, text } = await PostalMime.parse(message)
    for (const form of [html!, text!]) expect(form).toContain(`https://press.example.com/unsubscribe/${token}`)
  })

  test('stays under the size at which mailboxes hide the rest, and says where the whole text is', async () => {
    const { html, text } = await PostalMime.parse(filled(await prepare(longContent)))
    expect(Buffer.byteLength(html!)).toBeLessThan(90_000)
    expect(Buffer.byteLength(html!)).toBeGreaterThan(80_000)
    for (const form of [html!, text!]) {
      expect(form).toContain('Dette er bare begynnelsen')
      expect(form).toContain('Les hele pressemeldingen på nett')
      expect(form).toContain(`/unsubscribe/${token}`)
      expect(form).toContain('Rådhusgata 1')
    }
    expect(html!.match(/<table/g)!.length).toBe(html!.match(/<\/table>/g)!.length)
  })

  test.each([
    ['one paragraph', withText({ bodyHtml: `<p>${'ord &amp; andre ord '.repeat(12_000)}</p>` })],
    ['a lead', withText({ lead: '"Lang" ingress. '.repeat(9_000) })],
    ['a title', withText({ title: '<Lang> tittel '.repeat(4_000) })],
    [
      'hundreds of documents',
      {
        ...fullContent,
        documents: Array.from({ length: 900 }, (_, n) => ({
          url: `https://example.com/${n}?${'a'.repeat(150)}`,
          title: `Dokument ${n}`,
        })),
      },
    ],
    [
      'pictures with enormous addresses',
      {
        ...fullContent,
        images: Array.from({ length: 40 }, () => ({ url: `https://example.com/${'&'.repeat(3000)}`, alt: 'x' })),
      },
    ],
  ])('stays under it when it is %s that is too large', async (_, content) => {
    const { html } = await PostalMime.parse(filled(await prepare(content)))
    expect(Buffer.byteLength(html!)).toBeLessThan(90_000)
    expect(html).toContain('Les hele pressemeldingen på nett')
    expect(html).toContain(`/unsubscribe/${token}`)
  })

  test('does not repeat a withdrawn text', async () => {
    const { html, text } = await PostalMime.parse(filled(await prepare(fullContent, 'withdrawal')))
    for (const form of [html!, text!]) {
      expect(form).toContain('har trukket denne pressemeldingen tilbake')
      expect(form).toContain('Fjordvik får landets første')
      expect(form).toContain('Ingrid Solvang')
      expect(form).not.toContain('Slik blir rutetilbudet')
      expect(form).not.toContain('ruteplan.pdf')
      expect(form).not.toContain('Fra mandag 9. november')
    }
  })
})

describe('quoted-printable', () => {
  const decode = (encoded: string) =>
    Buffer.from(
      encoded
        .replace(/=\r\n/g, '')
        .replace(/=([0-9A-F]{2})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
      'latin1',
    ).toString()

  test('gives back any text, in lines a relay leaves alone, with every slot whole', () => {
    const pieces = fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.constant(null)), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(pieces, (texts) => {
        const given: Piece[] = texts.map((text) => text ?? slot('token'))
        const encoded = encodeQuotedPrintable(given)
          .map((piece) => (typeof piece === 'string' ? piece : token))
          .join('')
        const wanted = given
          .map((piece) => (typeof piece === 'string' ? piece.replace(/\r\n?/g, '\n') : token))
          .join('')
        expect(decode(encoded).replace(/\r\n/g, '\n')).toBe(wanted)
        for (const line of encoded.split('\r\n')) {
          expect(line.length).toBeLessThanOrEqual(76)
          expect(line).toMatch(/^(?!\.)[\x20-\x7e\t]*(?<![ \t])$/)
        }
        expect(encoded.split(token).length).toBeGreaterThanOrEqual(texts.filter((text) => text === null).length + 1)
      }),
      { numRuns: 500 },
    )
  })

  test('a space that ends a line is kept, though the line break comes with the next piece', () => {
    for (const pieces of [['Hei ', '\nder'], ['Hei ', '', '\r\nder'], ['Hei\t', ''], ['Hei ']]) {
      const encoded = encodeQuotedPrintable(pieces).join('')
      expect(encoded).not.toMatch(/[ \t](\r\n|$)/)
      expect(decode(encoded)).toBe(pieces.join('').replace(/\r?\n/g, '\r\n'))
    }
  })

  test('a soft line break never puts a dot first on a line', () => {
    for (let width = 60; width < 90; width++) {
      const [encoded] = encodeQuotedPrintable([`${'x'.repeat(width)}...${'y'.repeat(80)}`])
      expect((encoded as string).split('\r\n').some((line) => line.startsWith('.'))).toBe(false)
      expect(decode(encoded as string)).toContain('x...y')
    }
  })
})

describe('filling a letter', () => {
  const joined = (parts: readonly (Buffer | string)[]) => parts.map(String).join('')

  test('shares what is the same for all readers and changes none of it', async () => {
    const letter = await prepare(fullContent)
    const before = Buffer.concat(letter.segments)
    const [one, other] = [fillLetter(letter, reader), fillLetter(letter, { ...reader, to: 'kari@example.com' })]
    expect(one.filter((part) => other.includes(part)).reduce((bytes, part) => bytes + part.length, 0)).toBeGreaterThan(
      before.length * 0.9,
    )
    expect(joined(one)).toBe(joined(other).replace('kari@example.com', 'ola@example.com'))
    expect(Buffer.concat(letter.segments).equals(before)).toBe(true)
  })

  test('gives what stands between the segments, in order', async () => {
    const letter = await prepare(fullContent)
    const plain = letter.segments.flatMap((segment, index) => [
      segment,
      Buffer.from(letter.slots[index] ? reader[letter.slots[index]] : ''),
    ])
    expect(filled(letter).equals(Buffer.concat(plain))).toBe(true)
    expect(letter.slots).toEqual(['to', 'messageId', 'date', 'token', 'token', 'token', 'token', 'token'])
  })

  test('a letter that was stored fills as it did before', async () => {
    const letter = await prepare(fullContent)
    const { body, cuts } = packPrepared(letter)
    const stored = { language: letter.language, subject: letter.subject, body, cuts: JSON.parse(JSON.stringify(cuts)) }
    expect(filled(unpackPrepared(stored)).equals(filled(letter))).toBe(true)
  })
})

const unescaped = (html: string) =>
  html
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')

test('“From ” begins no line, also where only a soft break puts it there', () => {
  for (let before = 70; before < 80; before += 1) {
    const text = `${'x'.repeat(before)}From here`
    const encoded = encodeQuotedPrintable([text]).join('')
    expect(encoded.split('\r\n').filter((line) => line.startsWith('From '))).toEqual([])
    expect(encoded.replace(/=\r\n/g, '').replace('=46', 'F')).toBe(text)
  }
})
