import { realpathSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import PostalMime from 'postal-mime'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { prepareDigestLetter } from '../../shared/letter/prepare-digest.ts'
import { prepareNotice } from '../../shared/letter/prepare-notice.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { noticeKinds } from '../../shared/notice/notice.ts'
import {
  bareContent,
  digestItems,
  englishContent,
  fullContent,
  longContent,
  manyDigestItems,
  noticeLanguages,
  pictures,
  plainNewsroom,
  sampleDrawings,
  sampleNewsroom,
  sampleRelease,
} from './letters-preview-samples.ts'

/**
 * Writes every kind of letter to a folder, as `.html`, `.txt` and `.eml`, with an index: for looking at a change before
 * a reader does. Needs no database and no mail host.
 */
export async function writeLetters(folder: string): Promise<readonly string[]> {
  await mkdir(join(folder, 'pictures'), { recursive: true })
  for (const [name, drawing] of Object.entries(sampleDrawings)) await writeFile(join(folder, 'pictures', name), drawing)
  const rows: string[] = []
  for (const { name, letter } of await sampleLetters()) {
    const message = letterBytes(letter, sampleReader)
    const { html = '', text = '' } = await PostalMime.parse(message)
    await writeFile(join(folder, `${name}.html`), html.replaceAll(pictures, 'pictures/'))
    await writeFile(join(folder, `${name}.txt`), text)
    await writeFile(join(folder, `${name}.eml`), message)
    rows.push(indexRow(name, letter.subject, html))
  }
  await writeFile(join(folder, 'index.html'), indexPage(rows))
  return rows
}

export type NamedLetter = { readonly name: string; readonly letter: PreparedLetter }

export async function sampleLetters(): Promise<readonly NamedLetter[]> {
  const common = { publicUrl: 'https://press.example.com', mailDomain: 'press.example.com' }
  const letters: NamedLetter[] = []
  const release = async (
    name: string,
    input: Omit<Parameters<typeof prepareReleaseLetter>[0], keyof typeof common>,
  ) => {
    letters.push({ name, letter: await prepareReleaseLetter({ ...common, ...input }) })
  }
  for (const [language, content] of [
    ['nb', fullContent],
    ['en', englishContent],
  ] as const) {
    for (const kind of ['release', 'correction', 'withdrawal'] as const)
      await release(`${kind}-${language}`, {
        newsroom: sampleNewsroom,
        release: sampleRelease(kind, content),
        language,
      })
    await release(`release-bare-${language}`, {
      newsroom: plainNewsroom,
      release: sampleRelease('release', bareContent),
      language,
    })
  }
  await release('release-long-nb', {
    newsroom: sampleNewsroom,
    release: sampleRelease('release', longContent),
    language: 'nb',
  })
  const digest = async (name: string, input: Omit<Parameters<typeof prepareDigestLetter>[0], keyof typeof common>) => {
    letters.push({ name, letter: await prepareDigestLetter({ ...common, ...input }) })
  }
  const mailingId = '42' as MailingId
  for (const language of noticeLanguages)
    await digest(`digest-${language}`, { newsroom: sampleNewsroom, mailingId, items: digestItems, language })
  await digest('digest-one-en', {
    ...{ newsroom: plainNewsroom, mailingId, language: 'en' },
    items: digestItems.slice(0, 1),
  })
  await digest('digest-long-nb', { newsroom: sampleNewsroom, mailingId, items: manyDigestItems, language: 'nb' })
  for (const language of noticeLanguages)
    for (const kind of noticeKinds)
      letters.push({
        name: `${kind}-${language}`,
        letter: await prepareNotice({ ...common, kind, newsroom: sampleNewsroom, language }),
      })
  return letters
}

const sampleReader = {
  to: 'kari.nordmann@example.com',
  messageId: '1.1.42@press.example.com',
  date: mailDate(new Date('2026-11-03T08:05:30Z')),
  token: 'SampleToken_SampleToken-SampleToken_SampleToken-SampleToken_0123',
}

const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;')

const indexRow = (name: string, subject: string, html: string) =>
  `<tr><th scope="row"><a href="${name}.html">${name}</a></th><td>${escaped(subject)}</td><td>${Math.round(Buffer.byteLength(html) / 1000)} kB</td><td><a href="${name}.txt">text</a> · <a href="${name}.eml">message</a></td></tr>`

const indexPage = (rows: readonly string[]) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Letters</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
th { text-align: left } th, td { padding: .5rem 1rem .5rem 0; vertical-align: top }
</style>
</head>
<body>
<h1>Letters</h1>
<p>Every letter a reader can get, with invented content. Try them narrow, and in your system’s dark mode.</p>
<table>
<thead><tr><th scope="col">Letter</th><th scope="col">Subject</th><th scope="col">HTML</th><th scope="col">Also as</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`

if (process.argv[1] && import.meta.filename === realpathSync(process.argv[1])) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'letters-preview' } } })
  const rows = await writeLetters(values.out)
  console.log(`${rows.length} letters in ${values.out}; open ${join(values.out, 'index.html')}`)
}
