import { type Language, languageNames } from '../language/language.ts'
import { wordsFor } from '../language/words.ts'
import { type Newsroom, topicName } from '../newsroom/newsroom.ts'
import { frequencies } from '../subscription/subscription.ts'

/**
 * The follow box a publisher pastes into their own page: a whole form that works by itself, and the script that keeps
 * its reader on the page. The form is the truth; the script shows one of the same parts, made by the same function.
 */
export function snippetOf(newsroom: Newsroom, language: Language, publicUrl: string): string {
  return [
    '<pressebud-follow>',
    formOf(newsroom, language, publicUrl),
    '</pressebud-follow>',
    `<script src="${escaped(publicUrl)}/assets/follow-box.js" async></script>`,
    '',
  ].join('\n')
}

/** The form as the pasted markup and the script have it: every part can be styled from outside by its name. */
export function formOf(newsroom: Newsroom, language: Language, publicUrl: string): string {
  const pages = wordsFor(language, 'pages')
  const words = wordsFor(language, 'follow')
  const id = (name: string) => `pressebud-${newsroom.slug}-${name}`
  const field = (name: string, label: string, control: string) =>
    `<p part="field"><label part="label" for="${id(name)}">${escaped(label)}</label>\n${control}</p>`
  const options = (all: readonly { value: string; name: string; lang?: string; chosen: boolean }[]) =>
    all
      .map(
        ({ value, name, lang, chosen }) =>
          `<option value="${value}"${lang ? ` lang="${lang}"` : ''}${chosen ? ' selected' : ''}>${escaped(name)}</option>`,
      )
      .join('')
  const select = (name: string, all: Parameters<typeof options>[0]) =>
    `<select part="select" id="${id(name)}" name="${name}">${options(all)}</select>`

  const lines = [
    `<form part="form" lang="${language}" method="post" action="${escaped(publicUrl)}/newsrooms/${newsroom.slug}/subscriptions?language=${language}">`,
    field(
      'email',
      pages('follow.email'),
      `<input part="input" id="${id('email')}" name="email" type="email" autocomplete="email" required aria-describedby="${id('consent')}">`,
    ),
  ]
  if (newsroom.languages.length > 1) {
    const spoken = newsroom.languages.includes(language) ? language : newsroom.defaultLanguage
    const tags = newsroom.languages.map((tag) => ({
      ...{ value: tag, name: languageNames[tag], lang: tag, chosen: tag === spoken },
    }))
    lines.push(field('language', pages('follow.language'), select('language', tags)))
  }
  if (newsroom.topics.length > 0) {
    const ticks = newsroom.topics.map(
      (topic) =>
        `<div><label part="tick"><input part="checkbox" type="checkbox" name="topics" value="${topic.id}"> ${escaped(topicName(topic, language, newsroom.defaultLanguage))}</label></div>`,
    )
    lines.push(
      `<fieldset part="topics"><legend part="label">${escaped(words('topics'))}</legend>`,
      `<p part="hint">${escaped(words('topics.hint'))}</p>`,
      ...ticks,
      '</fieldset>',
    )
  }
  const often = frequencies.map((value) => ({
    value,
    name: words(`frequency.${value}`),
    chosen: value === 'immediate',
  }))
  lines.push(
    field('frequency', words('frequency'), select('frequency', often)),
    // A stranger's style may not know ours, so what people must not see is kept from them without any.
    `<p hidden><label>${escaped(pages('follow.empty'))} <input type="text" name="comment" autocomplete="off" tabindex="-1"></label></p>`,
    `<p part="actions"><button part="button" type="submit">${escaped(pages('follow.button'))}</button></p>`,
    `<p part="consent" id="${id('consent')}">${escaped(pages('follow.consent', { publisher: newsroom.legalName }))}</p>`,
    '</form>',
  )
  return lines.join('\n')
}

/** What the script says besides: faults beside the field, and what comes next. */
export function boxWords(newsroom: Newsroom, language: Language): Readonly<Record<string, string>> {
  const pages = wordsFor(language, 'pages')
  const words = wordsFor(language, 'follow')
  return {
    address: pages('follow.addressFault'),
    title: words('asked.title'),
    body: words('asked.body', { newsroom: newsroom.name }),
    wait: words('asked.wait'),
    sending: words('box.sending'),
    busy: words('box.busy'),
  }
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => escapes[sign]!)
const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
