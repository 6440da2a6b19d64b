import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { caniemail } from 'caniemail'
import PostalMime from 'postal-mime'
import { expect, test } from 'vitest'
import { sampleLetters } from '../../services/cli/letters-preview.ts'
import { letterBytes } from '../../shared/letter/fill.ts'

const reader = { to: 'ada@example.com', messageId: 'x@mail.example', date: '', token: 't'.repeat(64) }

/** Features that some of these programs leave out, and that a letter of ours has. */
async function unknownFeatures(): Promise<string[]> {
  const found = new Set<string>()
  for (const { letter } of await sampleLetters()) {
    const { html } = await PostalMime.parse(letterBytes(letter, reader))
    const { issues } = caniemail({ clients: ['outlook.*', 'gmail.*', 'apple-mail.*'], html: html! })
    for (const unsupported of issues.errors.values()) for (const { title } of unsupported) found.add(title)
  }
  return [...found].toSorted()
}

test('whatever Outlook, Gmail or Apple Mail do not know has a fallback that the docs tell of', async () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/letters.md'), 'utf8')
  const section = docs.split(/^## /m).find((part) => part.startsWith('What some mail programs do not know'))!
  const told = [...section.matchAll(/^\| (?!Not known|---)([^|]+?) \| [^|]{10,} \|$/gm)].map(([, title]) =>
    title!.replaceAll('`', ''),
  )
  expect(told.toSorted()).toEqual(await unknownFeatures())
})
