import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { digestItems, manyDigestItems, sampleNewsroom } from '../../services/cli/letters-preview-samples.ts'
import { languages } from '../../shared/language/language.ts'
import type { DigestLetterInput } from '../../shared/letter/digest-view.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import { prepareDigestLetter } from '../../shared/letter/prepare-digest.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')
const token = 'T'.repeat(64)

async function letterOf(wishes: Partial<DigestLetterInput> = {}) {
  const prepared = await prepareDigestLetter({
    newsroom: sampleNewsroom,
    mailingId: '42' as MailingId,
    items: digestItems,
    language: 'nb',
    publicUrl: 'https://press.example.com',
    mailDomain: 'press.example.com',
    ...wishes,
  })
  const date = 'Tue, 03 Nov 2026 08:05:30 +0000'
  const raw = letterBytes(prepared, { to: 'ola@example.com', messageId: '1@example.com', date, token })
  const { html = '', text = '', subject = '', headers } = await PostalMime.parse(raw)
  return { raw: raw.toString(), html, text, subject, headers }
}

const linksIn = (text: string) =>
  new Set([...text.matchAll(/https:\/\/press\.example\.com[^\s"<>]*/g)].map(([link]) => link))

test('a digest can be left with one click, changed, and told from a release by its headers', async () => {
  const { raw, html, text } = await letterOf()
  expect(raw).toMatch(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m)
  expect(raw).toContain(`List-Unsubscribe: <https://press.example.com/unsubscribe/${token}>\r\n`)
  expect(raw).toMatch(/^List-Id: Fjordvik kommune <fjordvik-kommune\.press\.example\.com>\r$/m)
  expect(raw).toMatch(/^Feedback-ID: digest-42:fjordvik-kommune:digest:pressebud\r$/m)
  expect(raw).toMatch(/^Message-ID: <1@example\.com>\r$/m)
  for (const form of [html, text])
    for (const door of ['unsubscribe', 'preferences'])
      expect(form).toContain(`https://press.example.com/${door}/${token}`)
})

test('its plain text says what its HTML says, with the same links', async () => {
  const { html, text } = await letterOf()
  expect(linksIn(text)).toEqual(linksIn(html))
  for (const { release } of digestItems)
    expect(text.replace(/\s+/g, ' ')).toContain(release.content.languages.nb!.lead.slice(0, 60))
  for (const line of text.split('\n')) if (!line.startsWith('https://')) expect(line.length).toBeLessThanOrEqual(72)
})

test('each release is marked with the language it is written in, which need not be the letter’s', async () => {
  const { html, text, headers } = await letterOf({ language: 'en' })
  expect(headers.find(({ key }) => key === 'content-language')?.value).toBe('en')
  expect(html).toMatch(/^<!doctype html>\s*<html lang="en"/i)
  // Never written in English, so in the newsroom's own language.
  expect(html).toMatch(/<a [^>]*lang="nb"[^>]*>Kommunestyret vedtar budsjettet torsdag</)
  expect(html).toMatch(/<p lang="nb"[^>]*>Møtet sendes direkte/)
  expect(html).toMatch(/<a [^>]*lang="en"[^>]*>The swimming pool reopens/)
  expect(text).toContain('Corrected version · 2 November 2026')
})

test.each([
  [1, 'Fjordvik får landets første selvgående elektriske ferge'],
  [2, 'Fjordvik får landets første selvgående elektriske ferge (og 1 til)'],
  [3, 'Fjordvik får landets første selvgående elektriske ferge (og 2 til)'],
])('with %i releases its subject is the first title and how many more there are', async (count, subject) => {
  expect((await letterOf({ items: digestItems.slice(0, count) })).subject).toBe(subject)
})

test('speaks every language', async () => {
  for (const language of languages) {
    const { html, text } = await letterOf({ language })
    expect(html).toContain(`<html lang="${language}"`)
    expect(text).not.toMatch(/[{}]|undefined/)
  }
})

describe('however much there is to tell', () => {
  test('it stays where mailboxes show all of it, and leads to the rest', async () => {
    for (const times of [1, 3, 30]) {
      const items = Array.from({ length: times }, () => manyDigestItems).flat()
      const { html, text } = await letterOf({ items })
      expect(Buffer.byteLength(html)).toBeLessThan(90_000)
      expect(html).toContain(`/unsubscribe/${token}`)
      const told = [...text.matchAll(/^Sak \d+/gm)].length
      if (times === 1) expect(told).toBe(items.length)
      else
        expect(text).toMatch(
          new RegExp(`^${(items.length - told).toLocaleString('nb')} pressemeldinger til på nett:`, 'm'),
        )
    }
  })

  test('with titles as long as may be', async () => {
    const text = { title: 'æ'.repeat(300), lead: 'å'.repeat(2_000), bodyHtml: '' }
    const items = Array.from({ length: 400 }, () => ({
      telling: 'correction' as const,
      release: { ...digestItems[0]!.release, content: { ...digestItems[0]!.release.content, languages: { nb: text } } },
    }))
    expect(Buffer.byteLength((await letterOf({ items })).html)).toBeLessThan(90_000)
  })

  test.skipIf(!existsSync(corpus))('no naughty string breaks its lines or its headers', async () => {
    const names = async (naughty: string) => {
      const languages = { nb: { title: naughty, lead: naughty, bodyHtml: naughty } }
      const release = { ...digestItems[0]!.release, content: { ...digestItems[0]!.release.content, languages } }
      const { raw, headers, html } = await letterOf({
        newsroom: { ...sampleNewsroom, name: naughty, senderName: naughty, legalName: naughty },
        items: [{ telling: 'new', release }],
      })
      expect(raw).not.toMatch(/(?<!\r)\n|\r(?!\n)/)
      expect(html).not.toMatch(/<script|<svg|<iframe/i)
      return headers.map(({ key }) => key)
    }
    const wanted = await names('Hei')
    const strings: string[] = JSON.parse(readFileSync(corpus, 'utf8'))
    for (const naughty of strings.filter((_, index) => index % 5 === 0)) expect(await names(naughty)).toEqual(wanted)
  })
})
