import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openMjmlCompiler } from './mjml-compiler.ts'

/** Where the HTML of layouts is kept for other processes and for later ones. It tells its faults itself. */
export type LayoutStore = {
  find(key: Buffer): Promise<string | null>
  keep(key: Buffer, html: string): Promise<void>
}

/** What another MJML makes of the same source is not the same, nor what it makes when it is asked otherwise. */
export const mjmlVersion = '5.4.1'
const asking = readFileSync(join(import.meta.dirname, 'mjml-process.mjs'))

const compiler = openMjmlCompiler()

/** Layouts used lately and their HTML: a newsroom's letters have a handful, and one takes some 50 KB. */
const known = new Map<string, Promise<string>>()
const mostKnown = 32

/** A digest of two hundred releases has a layout of its own, and nobody else will have that many. In characters. */
const longestKept = 200_000

/** The HTML of a layout: from memory, else from the store, and only then from MJML. */
export function htmlOf(source: string, store: LayoutStore | null): Promise<string> {
  const found = known.get(source)
  const html = found ?? findOrMake(source, store).then(slim)
  // Set anew, it is the last to go.
  known.delete(source)
  known.set(source, html)
  if (known.size > mostKnown) known.delete(known.keys().next().value!)
  // A fault may be over by the next try.
  if (!found) html.catch(() => known.delete(source))
  return html
}

async function findOrMake(source: string, store: LayoutStore | null): Promise<string> {
  if (store === null) return compiler.compile(source)
  const key = createHash('sha256').update(asking).update(`\n${mjmlVersion}\n${source}`).digest()
  const kept = await store.find(key)
  if (kept !== null) return kept
  const html = await compiler.compile(source)
  if (html.length <= longestKept) await store.keep(key, html)
  return html
}

/** MJML indents for its authors; a million readers' mailboxes need none of it. Done before any value is in. */
const slim = (html: string) =>
  html
    .replace(/[ \t]*\n\s*/g, '\n')
    .replace(/\n+/g, '\n')
    .trim()
