import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { expect, test } from 'vitest'
import { sampleNewsroom, sampleRelease } from '../../services/cli/letters-preview-samples.ts'
import type { Language } from '../../shared/language/language.ts'
import { letterBytes } from '../../shared/letter/fill.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import type { ReleaseContent } from '../../shared/release/release.ts'

const example = readFileSync(join(import.meta.dirname, '../../examples/release.json'), 'utf8')
const content = (JSON.parse(example) as { data: ReleaseContent }).data
const { languages, contacts, documents, links } = content
const images = content.images.map((image) => ({ ...image, url: 'https://press.example.com/coast.png' }))

async function letterIn(language: Language) {
  const letter = await prepareReleaseLetter({
    newsroom: sampleNewsroom,
    release: sampleRelease('release', { languages, contacts, images, documents, links }),
    language,
    publicUrl: 'https://press.example.com',
    mailDomain: 'press.example.com',
  })
  const slots = { to: 'ola@example.com', messageId: '1@example.com', date: 'Tue, 03 Nov 2026 08:05:30 +0000' }
  return PostalMime.parse(letterBytes(letter, { ...slots, token: 't'.repeat(64) }))
}

test.each([
  ['nb', 'Foto/illustrasjon: Klyngekontoret'],
  ['en', 'Credit: Klyngekontoret'],
] as const)('a drawing is credited once and not called a photograph, in %s', async (language, credit) => {
  const { html, text } = await letterIn(language)
  for (const part of [html!.replace(/\s+/g, ' '), text!]) {
    expect(part).toContain(credit)
    expect(part).not.toMatch(/(?:Foto|Photo|Illustrasjon): /)
  }
})
