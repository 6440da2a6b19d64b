import { join } from 'node:path'
import { Eta } from 'eta'
import * as format from './format.ts'

const eta = new Eta({ views: import.meta.dirname, cache: true, autoTrim: [false, 'nl'] })

export type PageName = 'login' | 'mailings' | 'mailing' | 'cancel' | 'settle' | 'machine' | 'refusal'

/** Renders one page whole. Every value is escaped by the engine; no template writes one raw. */
export function renderPage(
  name: PageName,
  view: { readonly title: string } & Readonly<Record<string, unknown>>,
): string {
  return eta.render(join('.', name), { ...view, format })
}
