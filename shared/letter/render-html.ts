import { join } from 'node:path'
import { Eta } from 'eta'
import { htmlOf, type LayoutStore } from './layouts.ts'
import { type Piece, slot } from './pieces.ts'

/** Markup of our own making, put into a letter as it is. Anything else a template writes is escaped. */
export type Markup = { readonly markup: string }

/**
 * A letter's HTML from `templates/<name>.mjml`. No value ever meets the MJML parser: a template writes a number for
 * each, and the escaped value takes its place in the finished HTML. A value can thus neither close a tag nor ask MJML for
 * an include, MJML cannot mistake it for its own, and letters that are built alike need MJML once.
 */
export async function renderHtml(
  template: 'release' | 'digest' | 'notice',
  view: object,
  layouts: LayoutStore | null,
): Promise<Piece[]> {
  const { source, values } = layoutOf(template, view)
  return withValues(await htmlOf(source, layouts), values)
}

// Rare enough brackets to be looked for, plain enough for every parser between.
const standIn = /⟦(\d+)⟧/

type Layout = { readonly source: string; readonly values: readonly unknown[] }

function layoutOf(template: string, view: object): Layout {
  held = []
  const source = templates.render(`./${template}`, { ...view, token: slot('token') })
  return { source, values: held }
}

// Eta has one function for all that is written; since it writes a letter in one go, this holds one letter's values.
let held: unknown[] = []

function hold(value: unknown): string {
  // A misspelt name in a template must not send a letter with a hole in it.
  if (value === undefined || value === null) throw new Error('A letter template names a value that is not there')
  return `⟦${held.push(value) - 1}⟧`
}

const templates = new Eta({
  views: join(import.meta.dirname, 'templates'),
  defaultExtension: '.mjml',
  cache: true,
  autoEscape: true,
  escapeFunction: hold,
})

function withValues(html: string, values: readonly unknown[]): Piece[] {
  const pieces: Piece[] = []
  let text = ''
  // With one group in the pattern, `split` gives text and value by turns.
  for (const [index, part] of html.split(standIn).entries()) {
    if (index % 2 === 0) {
      text += part
      continue
    }
    const value = values[Number(part)] as Piece | Markup
    if (typeof value !== 'object') text += escapeHtml(String(value))
    else if ('markup' in value) text += value.markup
    else {
      pieces.push(text, value)
      text = ''
    }
  }
  return [...pieces, text]
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character]!)
