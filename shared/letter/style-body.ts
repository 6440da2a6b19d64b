import type { Looks } from './looks.ts'

/** Cleaned HTML dressed for a mailbox: many read no style sheet, so every element carries its looks itself. */
export function styleBody(clean: string, looks: Looks): string {
  const styles = stylesOf(looks)
  return withoutLastGap(clean).replace(/<([a-z][a-z0-9]*)(?! style)(?=[ >])/g, (open, tag: string) =>
    styles[tag] === undefined ? open : `${open} style="${styles[tag]}"`,
  )
}

/** The last paragraph of a quote or list item leaves no gap of its own inside it. */
const withoutLastGap = (clean: string): string =>
  clean
    .split(/(?=<\/p><\/(?:blockquote|li|td)>)/)
    .map((part, index, parts) => {
      const last = index === parts.length - 1 ? -1 : part.lastIndexOf('<p>')
      return last < 0 ? part : `${part.slice(0, last)}<p style="margin:0;">${part.slice(last + 3)}`
    })
    .join('')

const heading = 'font-weight:700;line-height:1.3;'
const cell = 'padding:8px 12px 8px 0;border-bottom:1px solid #d5d8dc;text-align:left;vertical-align:top;'

const stylesOf = (looks: Looks): Readonly<Record<string, string>> => ({
  p: 'margin:0 0 18px;',
  h2: `margin:34px 0 10px;font-size:21px;${heading}`,
  h3: `margin:28px 0 8px;font-size:18px;${heading}`,
  h4: `margin:24px 0 6px;font-size:16px;${heading}`,
  ul: 'margin:0 0 18px;padding:0 0 0 24px;',
  ol: 'margin:0 0 18px;padding:0 0 0 24px;',
  li: 'margin:0 0 8px;',
  a: `color:${looks.link};text-decoration:underline;`,
  blockquote: `margin:24px 0;padding:2px 0 2px 20px;border-left:3px solid ${looks.bar};`,
  table: 'width:100%;margin:0 0 22px;border-collapse:collapse;font-size:15px;line-height:1.45;',
  caption: 'padding:0 0 8px;text-align:left;font-weight:700;',
  th: cell,
  td: cell,
})
